"""Proofs of the values that a form began with, so that editors do not overwrite."""

import json
from collections.abc import Mapping
from typing import Any

from django.core import signing
from django.utils.crypto import constant_time_compare

from orgs.errors import Conflict

Values = Mapping[str, Any]


class ChangedMeanwhile(Conflict):
    """The values are not those that the form began with."""

    def __init__(self) -> None:
        super().__init__(
            "Another person changed this while you edited it. Compare with the current"
            " values below, then save again."
        )


class TooLateToUndo(Conflict):
    """The offer to undo has ended, or the values were changed again."""

    def __init__(self) -> None:
        super().__init__(
            "It is too late to undo this change. Edit the values again instead."
        )


def sign_values(values: Values) -> str:
    """Return a short proof of values: it does not have them."""
    return signing.Signer(salt="edit").signature(values_as_json(values))


def is_signed(proof: str, values: Values) -> bool:
    """Return whether a proof is that of these values."""
    return constant_time_compare(proof, sign_values(values))


def values_as_json(values: Values) -> str:
    return json.dumps(values, sort_keys=True, default=str)
