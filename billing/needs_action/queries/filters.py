"""Filter of organizations by the reasons why they need action."""

import re
from collections.abc import Sequence
from functools import cache

from django.db.models.expressions import RawSQL
from django.utils import timezone

from billing.needs_action.kinds import ReasonKind, kinds_of
from billing.needs_action.queries.reasons import query_parameters
from billing.needs_action.queries.statements import reasons_statement
from orgs.models.organizations import OrganizationQuerySet

_PARAMETER = re.compile(r"%\((\w+)\)s")
_COLUMNS = (
    "kind, id, name, external_id, white_label_id, at, subject, amount, currency, value,"
    " base, day, note"
)


def filter_by_reasons(
    organizations: OrganizationQuerySet,
    names: Sequence[str],
    white_label_ids: Sequence[int],
) -> OrganizationQuerySet:
    """Return the organizations with a reason of these groups or kinds, also snoozed.

    They are found by the statement of Needs action, without its cap.
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
    inner = reasons_statement(kinds, scope="white_label")
    names = tuple(_PARAMETER.findall(inner))
    text = _PARAMETER.sub("%s", inner)
    return f"select r.id from ({text}) r ({_COLUMNS})", names  # noqa: S608  ours
