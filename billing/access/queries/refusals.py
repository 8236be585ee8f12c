"""The history of refused access, and which organizations' decisions have changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import QuerySet

from billing.access.decision import AccessFacts
from billing.access.queries.facts import ACCESS_JOIN, FACT_COLUMNS
from billing.models import AccessRefusal
from billing.models.mirrors import SubscriptionStatus
from orgs.queries.prepared import array, fetch_all


class DecisionChange(NamedTuple):
    """An organization whose decision is not that of its history.

    `started` are reasons by code, with the time since when they apply, that have no
    open row; `lifted` are the codes of open rows that do not apply any more.
    """

    organization_id: int
    started: dict[str, datetime]
    lifted: list[str]


# Organizations that may be refused, or were when this was last recorded: a coarse
# filter, the decision itself is made in Python. Those without any trace of a reason,
# nearly all, return no row.
_RECORDED = f"""
select o.id, open.codes, b.* from orgs_organization o
cross join lateral {ACCESS_JOIN} b ({", ".join(FACT_COLUMNS)})
left join lateral (
    select coalesce(array_agg(reason.code) filter (where reason.code is not null),
        '{{}}') as codes
    from billing_accessrefusal refusal
    left join billing_refusalreason reason on reason.refusal_id = refusal.id
        and reason.ended_at is null
    where refusal.organization_id = o.id and refusal.ended_at is null) open on true
where o.id = any(%(ids)s::bigint[]) and (
    open.codes <> '{{}}' or b.status <> '{SubscriptionStatus.ACTIVE}'
    or num_nonnulls(b.deleted_at, b.inactive_since, b.paused_at, b.lost_at,
        b.over_since) > 0)
order by o.id
"""  # noqa: S608  only constants


def list_decision_changes(
    organization_ids: Iterable[int], *, now: datetime
) -> list[DecisionChange]:
    """Return the organizations whose history needs a row, by id; one statement."""
    rows = fetch_all(_RECORDED, {"ids": array(organization_ids), "now": now})
    changes = (
        _compare(id_, codes, AccessFacts(*facts), now) for id_, codes, *facts in rows
    )
    return [change for change in changes if change.started or change.lifted]


def _compare(
    id_: int, open_codes: Sequence[str], facts: AccessFacts, now: datetime
) -> DecisionChange:
    since = {row.code: row.since for row in facts.refusals(now)}
    started = {code: at for code, at in since.items() if code not in open_codes}
    lifted = [code for code in open_codes if code not in since]
    return DecisionChange(id_, started, lifted)


def access_refusals(organization_id: int) -> QuerySet[AccessRefusal]:
    """Return the refusals of an organization with their reasons, newest first."""
    rows = AccessRefusal.objects.filter(organization_id=organization_id)
    return rows.prefetch_related("reasons").order_by("-id")


@dataclass(frozen=True, slots=True)
class RefusalPage:
    """A page of the history; `next_before` is the id to continue before, if any."""

    rows: list[AccessRefusal]
    next_before: int | None


def list_access_refusals(
    organization_id: int, *, before: int | None = None, limit: int = 10
) -> RefusalPage:
    """Return a page of the history, newest first; two statements."""
    rows = access_refusals(organization_id)
    if before:
        rows = rows.filter(pk__lt=before)
    refusals = list(rows[: limit + 1])
    shown = refusals[:limit]
    return RefusalPage(shown, shown[-1].pk if refusals[limit:] else None)
