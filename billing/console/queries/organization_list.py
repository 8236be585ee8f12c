"""The list of organizations: searched, narrowed, sorted, and never counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from billing.console.queries.badges import Badge, badges
from billing.forecast.queries.forecasts import LimitForecast, look_ahead, pace_days
from billing.forecast.queries.sort_keys import LATEST_KEY, SOONEST_KEY
from billing.ledger.queries.facts import BillingFacts, billing_facts
from billing.models import BillingAccount, Invoice, Subscription
from metrics.queries.fleet import COST_SORT_FIELD, RecentCost, recent_costs_by_day
from metrics.queries.periods import CurrentPeriod, PeriodCost, current_periods
from orgs.days import day_of
from orgs.models import Organization
from orgs.models.organizations import OrganizationQuerySet
from orgs.queries.paging import FetchRows, Order, fetch_page
from orgs.queries.searching import search_fetcher

PAGE_SIZE = 50
_STRIPE_PREFIX = "cus_"  # of every customer id


class State(StrEnum):
    """The tabs of the list."""

    ALL = "all"
    TRIAL = "trial"
    UNPAID = "unpaid"
    PAUSED = "paused"
    DELETED = "deleted"


STATES = tuple(State)

_RANKING, _LIMIT_RANKING = "ranking", "limit_ranking"
_BY_LIMIT = f"{_LIMIT_RANKING}__organization_id"
SORTS = {
    "cost": Order(COST_SORT_FIELD, descending=True, tie=f"{_RANKING}__organization_id"),
    "name": Order("name_key"),
    "created": Order("created_at", descending=True),
    "limit": Order(SOONEST_KEY, tie=_BY_LIMIT),
}
# The other way round where it is not the same backwards: those without a day are last.
_BACK = {"limit": Order(LATEST_KEY, descending=True, tie=_BY_LIMIT)}
DEFAULT_SORT = "cost"


@dataclass(frozen=True, slots=True)
class FleetFilters:
    """What the list is narrowed to, and its sort; one with `-` is reversed."""

    search: str = ""
    state: State = State.ALL
    sort: str = DEFAULT_SORT
    cursor: str = ""

    @property
    def is_of_stripe(self) -> bool:
        return self.search.startswith(_STRIPE_PREFIX)

    @property
    def order(self) -> Order:
        slug = self.sort.removeprefix("-")
        if slug == self.sort:
            return SORTS[slug]
        return _BACK.get(slug) or SORTS[slug].reversed()


@dataclass(frozen=True, slots=True)
class FleetRow:
    organization: Organization
    recent: RecentCost
    period: PeriodCost
    badges: list[Badge] = field(default_factory=list)
    limit: LimitForecast | None = None  # the next to fall, or the last that did


@dataclass(frozen=True, slots=True)
class FleetPage:
    rows: Sequence[FleetRow]
    next_cursor: str | None
    previous_cursor: str | None


def fleet_page(
    visible: OrganizationQuerySet,
    filters: FleetFilters,
    *,
    scope: str,
    size: int = PAGE_SIZE,
) -> FleetPage:
    """One page of those visible; a bounded number of queries, whatever the fleet.

    Sorted by what was prepared seconds ago; every number shown is read now.
    """
    rows = _prepared(narrowed(visible.select_related("white_label"), filters), filters)
    page = fetch_page(
        rows,
        filters.order,
        size=size,
        cursor=filters.cursor or None,
        scope=f"fleet:{scope}:{filters.state}:{filters.search}",
        fetch=_fetcher(filters),
    )
    return FleetPage(
        rows=_rows(page.rows),
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
    )


def _rows(organizations: Sequence[Organization]) -> list[FleetRow]:
    now = timezone.now()
    todays = {one.id: day_of(now, one.white_label.zone) for one in organizations}
    recent = recent_costs_by_day(todays)
    periods, facts = current_periods(todays), billing_facts(todays)
    return [
        _row(one, recent[one.id], periods.get(one.id), facts[one.id], now)
        for one in organizations
    ]


def _row(
    organization: Organization,
    recent: RecentCost,
    period: CurrentPeriod | None,
    facts: BillingFacts,
    now: datetime,
) -> FleetRow:
    cost = period.cost if period else PeriodCost()
    return FleetRow(
        organization=organization,
        recent=recent,
        period=cost,
        badges=badges(organization, cost, facts),
        limit=_limit(organization, recent, period, facts, now) if period else None,
    )


def _limit(
    organization: Organization,
    recent: RecentCost,
    period: CurrentPeriod,
    facts: BillingFacts,
    now: datetime,
) -> LimitForecast | None:
    """As everywhere; of what a page has read for its other columns."""
    if not facts.limits:
        return None
    zone = organization.white_label.zone
    today = day_of(now, zone)
    week = recent.cost_in(pace_days(now, zone), today=today)
    return look_ahead(period, facts, week, today=today, zone=zone).next_reached_limit


def _fetcher(filters: FleetFilters) -> FetchRows[Organization]:
    text = "" if filters.is_of_stripe else filters.search
    return search_fetcher(text, is_small_list=filters.state is not State.ALL)


def _prepared(
    organizations: OrganizationQuerySet, filters: FleetFilters
) -> OrganizationQuerySet:
    """Those with what the list is sorted by, which is everyone: made with its own.

    Said so that an index of standings can be walked in the list's order. A left join
    is sorted whole, and an index of one white label serves only where it is named.
    """
    table, prepared, _ = filters.order.field.partition("__")
    if not prepared:
        return organizations
    same = {f"{table}__white_label": F("white_label")}
    return organizations.select_related(table).filter(**same)


def narrowed(
    organizations: OrganizationQuerySet, filters: FleetFilters
) -> OrganizationQuerySet:
    """Those of the tab; of a search's text its page takes care."""
    if filters.is_of_stripe:
        organizations = _by_stripe_id(organizations, filters.search)
    if filters.state is State.DELETED:
        return organizations.filter(deleted_at__isnull=False)
    if filters.state is State.ALL:
        return organizations.active()
    has_some = Exists(why(filters.state).filter(organization=OuterRef("pk")))
    return organizations.active().filter(has_some)


def why(state: State) -> QuerySet[Subscription] | QuerySet[Invoice]:
    """What puts an organization behind a tab of money."""
    if state is State.UNPAID:
        return Invoice.objects.filter(
            status=Invoice.Status.OPEN, due_at__lt=timezone.now()
        )
    return Subscription.objects.filter(
        kind=Subscription.Kind.PLATFORM, status=_STATUSES[state]
    )


_STATUSES = {
    State.TRIAL: Subscription.Status.TRIALING,
    State.PAUSED: Subscription.Status.PAUSED,
}


def _by_stripe_id(
    organizations: OrganizationQuerySet, text: str
) -> OrganizationQuerySet:
    account = BillingAccount.objects.filter(
        organization=OuterRef("pk"), stripe_id=text.strip()
    )
    return organizations.filter(Exists(account))
