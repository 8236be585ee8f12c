"""Query of a page of the organizations that need action, with the counts beside it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.core import signing

from billing.needs_action.queries.reasons import (
    NeedFilters,
    OrganizationInNeed,
    list_reasons,
)
from billing.needs_action.queries.scores import (
    NO_FILTERS,
    NeedCounts,
    ScoredOrganization,
    read_scores,
)
from orgs.errors import DomainError


@dataclass(frozen=True, slots=True)
class NeedsPage:
    """A page of organizations; the cursor continues it, None at the end."""

    organizations: list[OrganizationInNeed]
    counts: NeedCounts
    next_cursor: str | None


def needs_page(
    white_label_ids: Collection[int],
    *,
    size: int,
    now: datetime,
    filters: NeedFilters = NO_FILTERS,
    cursor: str | None = None,
    scope: str = "",
) -> NeedsPage:
    """Return the page after a cursor, with all reasons of its organizations.

    Three statements. Cursors are signed for `scope`: a forged one raises
    `invalid_cursor`.
    """
    scores = read_scores(
        white_label_ids,
        now=now,
        filters=filters,
        after=_read_cursor(cursor, scope),
        size=size + 1,
    )
    shown = scores.rows[:size]
    has_more = len(scores.rows) > size
    return NeedsPage(
        list(filter(filters.select, _complete(shown, now))),
        scores.counts,
        signing.dumps(list(shown[-1]), salt=_salt(scope)) if has_more else None,
    )


def _complete(
    rows: Collection[ScoredOrganization], now: datetime
) -> list[OrganizationInNeed]:
    """Return the organizations with all reasons, also those beyond the cap."""
    needs = list_reasons([row.organization_id for row in rows], now=now)
    return [needs[row.organization_id] for row in rows if row.organization_id in needs]


def _salt(scope: str) -> str:
    return f"needs-action:{scope}"


def _read_cursor(cursor: str | None, scope: str) -> ScoredOrganization | None:
    if not cursor:
        return None
    try:
        return ScoredOrganization(*signing.loads(cursor, salt=_salt(scope)))
    except (signing.BadSignature, ValueError, TypeError):
        raise DomainError(
            "`cursor` is not a cursor of this list.",
            code="invalid_cursor",
            fields=("cursor",),
        ) from None
