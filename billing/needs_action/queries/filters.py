"""Filter of organizations by the reasons why they need action."""

import re
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from billing.needs_action.kinds import ReasonKind, kinds_of
from billing.needs_action.queries.reasons import query_parameters
from billing.needs_action.queries.scores import ids_statement
from orgs.models import Organization

Rows = TypeVar("Rows", bound=QuerySet[Organization])
_PARAMETER = re.compile(r"%\((\w+)\)s")


def filter_by_reasons(
    organizations: Rows,
    names: Sequence[str],
    white_label_ids: Sequence[int],
) -> Rows:
    """Return the organizations with an open reason of these groups or kinds.

    They are those that Needs action counts, without its cap: a snoozed reason is left
    out.
    """
    statement, parameters = _statement(kinds_of(names))
    values = {
        **query_parameters(timezone.now()),
        "scope": list(white_label_ids),
        "cap": None,
    }
    ids = RawSQL(statement, [values[name] for name in parameters])  # noqa: S611  ours
    return organizations.filter(pk__in=ids)


@cache
def _statement(kinds: frozenset[ReasonKind]) -> tuple[str, tuple[str, ...]]:
    """Return the statement with positional parameters, as querysets need, and names."""
    text = ids_statement(kinds)
    return _PARAMETER.sub("%s", text), tuple(_PARAMETER.findall(text))
