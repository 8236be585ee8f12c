"""What organizations have reached, or will reach soon: limits, entitlements, prices.

Measured by the statements that alerts use, and forecast by the function that pages use,
so that all of them agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from django.db import connection

from billing.alerts.measures import Measure
from billing.alerts.queries.measurements import (
    Measurement,
    list_current_measurements,
)
from billing.forecast.queries.forecasts import list_forecasts
from billing.ledger.queries.limits import list_limited
from billing.needs_action.kinds import ReasonKind
from metrics.queries.entitlement_growth import (
    GROWTH_DAYS,
    RecentGrowth,
    list_recent_growth,
)
from orgs.models import Organization

NEARLY_USED = Decimal("0.8")  # the part of an entitlement from which it needs action
HORIZON_DAYS = 30  # an entitlement that will be reached later needs none
_USE_PLACES = 6
_YEARLY = ("compute_seconds", "gpu_seconds")  # start again with the contract year


@dataclass(frozen=True, slots=True)
class UsageFact:
    """A row of `UsageReason` as it should be."""

    organization_id: int
    kind: ReasonKind
    subject: str
    value: Decimal
    base: Decimal
    reached_on: date | None = None


@dataclass(frozen=True, slots=True)
class UsageFacts:
    """What organizations have reached or will reach.

    `entitlement_uses` are the used parts of the entitlement that each uses most;
    organizations without a limit are left out.
    """

    rows: list[UsageFact]
    entitlement_uses: dict[int, Decimal]


def list_usage_facts(organization_ids: Sequence[int], *, now: datetime) -> UsageFacts:
    """Return what organizations have reached or will reach; six statements at most."""
    measured = list_current_measurements(organization_ids, now=now)
    growth = _read_growth(measured, now)
    rows = [fact for row in measured if (fact := _fact(row, growth))]
    return UsageFacts(
        [*rows, *_limit_forecasts(organization_ids, now)], _uses(measured)
    )


def _uses(measured: Sequence[Measurement]) -> dict[int, Decimal]:
    uses: dict[int, Decimal] = {}
    for row in measured:
        if row.measure is Measure.ENTITLEMENT:
            whole = Decimal(1 if row.value else 0)  # of an entitlement of 0
            use = round(row.value / row.base, _USE_PLACES) if row.base else whole
            id_ = row.organization_id
            uses[id_] = max(uses.get(id_, use), use)
    return uses


def _read_growth(
    measured: Sequence[Measurement], now: datetime
) -> dict[int, RecentGrowth]:
    """Return the growth of the organizations with an entitlement that has a limit."""
    ids = {
        row.organization_id for row in measured if row.measure is Measure.ENTITLEMENT
    }
    return list_recent_growth(ids, now=now) if ids else {}


def _fact(row: Measurement, growth: dict[int, RecentGrowth]) -> UsageFact | None:
    if row.measure is Measure.SOFT and row.value > 0 and row.value >= row.base:
        return _as_fact(row, ReasonKind.SOFT_LIMIT)
    if row.measure is Measure.UNPRICED:
        return _as_fact(row, ReasonKind.UNPRICED)
    if row.measure is Measure.ENTITLEMENT and row.value > 0:
        if row.value >= row.base:
            return _as_fact(row, ReasonKind.ENTITLEMENT)
        reached_on = _entitlement_day(row, growth[row.organization_id])
        if reached_on or row.value >= row.base * NEARLY_USED:
            return _as_fact(row, ReasonKind.ENTITLEMENT_FORECAST, reached_on)
    return None


def _as_fact(
    row: Measurement, kind: ReasonKind, reached_on: date | None = None
) -> UsageFact:
    return UsageFact(
        row.organization_id, kind, row.subject, row.value, row.base, reached_on
    )


def _entitlement_day(row: Measurement, growth: RecentGrowth) -> date | None:
    """Return the day by which an entitlement is used up at the recent rate.

    None if that is later than the horizon, or than the end of the contract year.
    """
    added: int = getattr(growth, row.subject)
    if added <= 0:
        return None
    days = (row.base - row.value) * GROWTH_DAYS / added
    if days > HORIZON_DAYS:
        return None
    today = date.fromisoformat(row.context["today"])
    whole = int(days.to_integral_value(ROUND_CEILING))
    reached_on = today + timedelta(days=whole)
    is_in_year = reached_on < _next_year(
        date.fromisoformat(row.context["contract_year"])
    )
    return reached_on if is_in_year or row.subject not in _YEARLY else None


def _next_year(day: date) -> date:
    """Return the next anniversary; that of February 29 is the 28th, as in SQL."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return day.replace(year=day.year + 1, day=28)


def _limit_forecasts(ids: Sequence[int], now: datetime) -> list[UsageFact]:
    """Return the limits that are expected to be reached in the open period."""
    rows = Organization.objects.active().select_related("white_label")
    organizations = list(rows.filter(pk__in=list_limited(ids)))
    return [
        UsageFact(
            id_,
            ReasonKind.LIMIT_FORECAST,
            limit.kind,
            forecast.payable,
            limit.amount,
            limit.projected_on,
        )
        for id_, forecast in list_forecasts(organizations, now=now).items()
        for limit in forecast.limits
        if limit.projected_on is not None
    ]


# Organizations that may have such a reason or have one now, by id. Each branch is read
# in the order of its index as far as the limit.
_CANDIDATES = """
select id from (
    (select distinct organization_id as id from billing_spendinglimit
        where organization_id > %(after)s and amount > 0 order by 1 limit %(limit)s)
    union
    (select organization_id from orgs_entitlements
        where organization_id > %(after)s and num_nonnulls(storage_bytes,
            compute_seconds_per_year, gpu_seconds_per_year, projects, users) > 0
        order by 1 limit %(limit)s)
    union
    (select distinct organization_id from billing_usagereason
        where organization_id > %(after)s order by 1 limit %(limit)s)
    union
    (select distinct organization_id from metrics_dailyusage
        where organization_id > %(after)s and unpriced_quantity <> 0
        order by 1 limit %(limit)s)
) candidates order by id limit %(limit)s
"""


def list_candidates_after(after: int, *, limit: int) -> list[int]:
    """Return the next organizations whose usage may need action, by ID."""
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATES, {"after": after, "limit": limit})
        return [id_ for (id_,) in cursor.fetchall()]
