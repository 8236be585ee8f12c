"""Corrections that are requested under an idempotency key: begun once, then found."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from django.db import transaction

from metrics.commands.recompute import CorrectionSpec
from metrics.models import Correction
from orgs.errors import KeyReused
from orgs.models import WhiteLabel


def hash_arguments(arguments: Sequence[object]) -> str:
    """Return the hash of a request's arguments, the same in every process."""
    return sha256("\0".join(map(str, arguments)).encode()).hexdigest()


@transaction.atomic
def begin_correction(
    white_label: WhiteLabel, correction: CorrectionSpec, arguments: Sequence[object]
) -> tuple[CorrectionSpec, bool]:
    """Insert a correction's row under its key, or find the one that has the key.

    Return the correction to continue with, and whether it has finished already. A
    correction that was killed has not, and continues under its first author and time.
    Without a key nothing is written. Raises `KeyReused` if the key belongs to a
    correction of another kind or with other arguments.
    """
    if not correction.key:
        return correction, False
    hashed = hash_arguments(arguments)
    # Of two requests at once the second waits here for the first one's commit.
    Correction.objects.bulk_create(
        [_row(white_label, correction, hashed)], ignore_conflicts=True
    )
    row = Correction.objects.get(
        white_label=white_label, idempotency_key=correction.key
    )
    if (row.kind, row.arguments) != (correction.kind, hashed):
        raise KeyReused
    begun = replace(
        correction,
        id=row.id,
        by=row.by,
        note=row.note,
        started_at=row.started_at,
        arguments=hashed,
    )
    return begun, row.finished_at is not None


def _row(
    white_label: WhiteLabel, correction: CorrectionSpec, arguments: str
) -> Correction:
    return Correction(
        id=correction.id,
        white_label=white_label,
        kind=correction.kind,
        by=correction.by,
        note=correction.note,
        started_at=correction.started_at,
        idempotency_key=correction.key,
        arguments=arguments,
    )
