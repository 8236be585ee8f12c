"""Query of a page of the organization list: searched, filtered and sorted.

The rows are never counted: a count would read the whole fleet.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from billing.console.queries.badges import Badge, build_badges
from billing.forecast.queries.estimated_invoices import list_estimates
from billing.forecast.queries.estimates import EstimatedInvoice
from billing.forecast.queries.forecasts import LimitForecast, build_forecast
from billing.forecast.queries.sort_keys import (
    ENTITLEMENT_KEY,
    LATEST_KEY,
    SOONEST_KEY,
    list_entitlement_uses,
)
from billing.ledger.queries.facts import billing_facts
from billing.models import BillingAccount, Invoice, Price, Subscription
from billing.models.mirrors import LIVE
from billing.needs_action.queries.filters import filter_by_reasons
from billing.needs_action.queries.reasons import list_reasons
from billing.needs_action.queries.walks import is_frequent, reason_fetcher
from metrics.queries.fleet import (
    COST_SORT_FIELD,
    CURRENCY_SORT_FIELD,
    GROWTH_SORT_FIELD,
    LAST_USAGE_FIELD,
    RECENT_DAYS,
    RecentCost,
    recent_costs_by_day,
)
from metrics.queries.periods import PeriodCost, current_periods
from orgs.catalog import Scope
from orgs.days import day_of
from orgs.models import Organization
from orgs.models.organizations import OrganizationQuerySet
from orgs.queries.paging import FetchRows, Order, fetch_page
from orgs.queries.searching import search_fetcher, search_organizations

PAGE_SIZE = 50
_ROWS_AT_ONCE = 500  # of a download
_IDS_AT_ONCE = 10_000
_CUSTOMER_PREFIX = "cus_"  # of every customer ID in Stripe


class State(StrEnum):
    """The tabs of the list."""

    ALL = "all"
    TRIAL = "trial"
    UNPAID = "unpaid"
    PAUSED = "paused"
    DELETED = "deleted"


STATES = tuple(State)


class Activity(StrEnum):
    """How the usage of an organization develops."""

    IDLE = "idle"  # no usage in the last 30 days
    GROWING = "growing"  # costs at least a fifth more than in the 30 days before


IDLE_DAYS, GROWING_FROM = RECENT_DAYS, Decimal("0.2")
COLUMNS = {  # of the table, by slug; the name of the organization is always shown
    "status": "Status",
    "cost": "Cost, last 30 days",
    "change": "vs. prev. 30 days",
    "trend": "Trend",
    "period": "This period",
    "estimate": "Estimated invoice",
    "entitlement": "Entitlement used",
    "limit": "Limit reached",
    "created": "Created",
}
# The scope that a column or sort needs besides that of the list. A sort by an amount
# would show who has more of it.
_MONEY = Scope.BILLING_READ
COLUMN_SCOPES = dict.fromkeys(
    ("cost", "change", "trend", "period", "estimate", "limit"), _MONEY
)
SORT_SCOPES = dict.fromkeys(("cost", "growth", "limit"), _MONEY)
REASON_SCOPE = _MONEY
# The others are shown on request.
DEFAULT_COLUMNS = tuple(slug for slug in COLUMNS if slug != "entitlement")

_RANKING, _LIMIT_RANKING = "ranking", "limit_ranking"
_BY_LIMIT = f"{_LIMIT_RANKING}__organization_id"
_BY_RANKING = f"{_RANKING}__organization_id"
SORTS = {
    "cost": Order(COST_SORT_FIELD, descending=True, tie=_BY_RANKING),
    "growth": Order(GROWTH_SORT_FIELD, descending=True, tie=_BY_RANKING),
    "entitlement": Order(ENTITLEMENT_KEY, descending=True, tie=_BY_LIMIT),
    "name": Order("name_key"),
    "created": Order("created_at", descending=True),
    "limit": Order(SOONEST_KEY, tie=_BY_LIMIT),
}
# Sorts whose reverse is not the same rows backwards: organizations without a day come
# last in both directions.
_REVERSED_SORTS = {"limit": Order(LATEST_KEY, descending=True, tie=_BY_LIMIT)}
DEFAULT_SORT, SORT_WITHOUT_MONEY = "cost", "name"


@dataclass(frozen=True, slots=True)
class FleetFilters:
    """The filters of the list and its sort; a leading `-` reverses the sort."""

    search: str = ""
    state: State = State.ALL
    sort: str = DEFAULT_SORT
    cursor: str = ""
    reason: str = ""  # groups and kinds of reasons, separated by commas
    white_label: str = ""  # its slug
    tier: str = ""
    status: str = ""  # of the platform subscription
    activity: Activity | None = None
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    # Visible white labels that the list is read for. Several may have several
    # currencies: amounts are grouped by currency, in the order of an index, and not
    # compared.
    white_label_ids: tuple[int, ...] = ()
    has_groups: bool = False

    @property
    def is_stripe_id(self) -> bool:
        """The search is for the ID of a Stripe customer."""
        return self.search.startswith(_CUSTOMER_PREFIX)

    @property
    def order(self) -> Order:
        slug = self.sort.removeprefix("-")
        order = SORTS[slug]
        if slug != self.sort:
            order = _REVERSED_SORTS.get(slug) or order.reversed()
        if slug == "cost" and self.has_groups:
            return replace(order, group=CURRENCY_SORT_FIELD)
        return order

    @property
    def is_small_list(self) -> bool:
        """Few organizations pass the filters, so that they are not read in order."""
        filters = (self.reason, self.tier, self.status, self.activity)
        return self.state is not State.ALL or any(filters)

    @property
    def scope(self) -> str:
        """What cursors belong to, besides the order."""
        filters = (self.state, self.search, self.reason, self.white_label, self.tier)
        return ":".join(map(str, (*filters, self.status, self.activity)))


@dataclass(frozen=True, slots=True)
class FleetRow:
    """An organization with the numbers of its row; `limit` is the one to show."""

    organization: Organization
    recent: RecentCost
    period: PeriodCost
    badges: list[Badge] = field(default_factory=list)
    limit: LimitForecast | None = None
    estimate: EstimatedInvoice | None = None  # None without an open period
    entitlement_use: Decimal | None = None  # of the one used most, seconds old


@dataclass(frozen=True, slots=True)
class FleetPage:
    """A page of the list, with the cursors of its neighbors, None at the ends."""

    rows: Sequence[FleetRow]
    next_cursor: str | None
    previous_cursor: str | None


def fleet_page(
    visible: OrganizationQuerySet,
    filters: FleetFilters,
    *,
    scope: str,
    size: int = PAGE_SIZE,
    shows_money: bool = True,
) -> FleetPage:
    """Return a page of the visible organizations.

    The number of queries does not depend on the size of the fleet. The order is by sort
    keys that are seconds old; every number shown is read now. `scope` belongs to the
    cursors: one of another user or filter is refused.
    """
    read, fetch = _choose_reading(filters)
    organizations = filter_organizations(visible.select_related("white_label"), read)
    rows = _join_sort_key(organizations, filters)
    page = fetch_page(
        rows,
        filters.order,
        size=size,
        cursor=filters.cursor or None,
        scope=f"fleet:{scope}:{filters.scope}",
        fetch=fetch,
    )
    return FleetPage(
        rows=_build_rows(page.rows, shows_money=shows_money),
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
    )


def list_ids(
    visible: OrganizationQuerySet, filters: FleetFilters, limit: int | None = None
) -> "array[int]":
    """Return the IDs of all organizations of the list, in its order; 8 bytes for each.

    One query, which reads the list to its end, or to the limit.
    """
    rows = _join_sort_key(filter_organizations(visible, filters), filters)
    if not filters.is_stripe_id:
        rows = search_organizations(rows, filters.search)
    ordered = rows.order_by(*filters.order.order_by).values_list("pk", flat=True)
    return array("q", ordered[:limit].iterator(chunk_size=_IDS_AT_ONCE))


def iterate_rows(
    visible: OrganizationQuerySet, ids: Sequence[int], *, shows_money: bool = True
) -> Iterator[FleetRow]:
    """Yield the rows of these organizations, in this order, as far as still visible.

    The number of queries grows with the number of organizations, by one set for each
    500; memory does not.
    """
    organizations = visible.select_related("white_label")
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        chunk = ids[start : start + _ROWS_AT_ONCE]
        by_id = organizations.in_bulk(list(chunk))
        rows = [by_id[id_] for id_ in chunk if id_ in by_id]
        yield from _build_rows(rows, computes_ranges=True, shows_money=shows_money)


def _build_rows(
    organizations: Sequence[Organization],
    *,
    computes_ranges: bool = False,
    shows_money: bool,
) -> list[FleetRow]:
    now = timezone.now()
    today = {
        organization.id: day_of(now, organization.white_label.zone)
        for organization in organizations
    }
    recent = recent_costs_by_day(today)
    periods, facts = current_periods(today), billing_facts(today)
    forecasts = {
        organization.id: build_forecast(
            periods[organization.id],
            facts[organization.id],
            recent[organization.id].costs,
            today=today[organization.id],
            zone=organization.white_label.zone,
            now=now,
        )
        for organization in organizations
        if organization.id in periods
    }
    estimates = list_estimates(
        organizations, forecasts, computes_ranges=computes_ranges
    )
    uses, needs = list_entitlement_uses(today), list_reasons(today, now=now)
    return [
        _build_row(
            organization,
            recent[organization.id],
            estimates.get(organization.id),
            uses.get(organization.id),
            build_badges(
                organization,
                facts[organization.id],
                needs.get(organization.id),
                now=now,
                is_brief=True,
                shows_money=shows_money,
            ),
        )
        for organization in organizations
    ]


def _build_row(
    organization: Organization,
    recent: RecentCost,
    estimate: EstimatedInvoice | None,
    entitlement_use: Decimal | None,
    badges: list[Badge],
) -> FleetRow:
    forecast = estimate.forecast if estimate else None
    cost = forecast.cost if forecast else PeriodCost()
    return FleetRow(
        organization=organization,
        recent=recent,
        period=cost,
        badges=badges,
        limit=forecast.next_reached_limit if forecast else None,
        estimate=estimate,
        entitlement_use=entitlement_use,
    )


def _choose_reading(
    filters: FleetFilters,
) -> tuple[FleetFilters, FetchRows[Organization]]:
    """Return the filters of the rows that are read, and the function that reads them.

    Without other filters, organizations with a frequent reason are selected while the
    list is read in its order; otherwise they are found before.
    """
    without_reason = replace(filters, reason="")
    if filters.reason and not filters.search and not without_reason.is_small_list:
        names, now = filters.reason.split(","), timezone.now()
        if is_frequent(names, filters.white_label_ids, now=now):
            fetcher = reason_fetcher(names, filters.white_label_ids, now=now)
            return without_reason, fetcher
    return filters, _search_fetcher(filters)


def _search_fetcher(filters: FleetFilters) -> FetchRows[Organization]:
    text = "" if filters.is_stripe_id else filters.search
    return search_fetcher(text, is_small_list=filters.is_small_list)


def _join_sort_key(
    organizations: OrganizationQuerySet, filters: FleetFilters
) -> OrganizationQuerySet:
    """Join the table of the sort key, so that its index gives the list's order.

    Every organization has a row there. The filter makes it an inner join (PostgreSQL
    would sort the result of a left join as a whole) and compares the white labels,
    without which the index of one white label could not be used.
    """
    table, is_joined, _ = filters.order.field.partition("__")
    if not is_joined:
        return organizations
    same_white_label = {f"{table}__white_label": F("white_label")}
    return organizations.select_related(table).filter(**same_white_label)


def filter_organizations(
    organizations: OrganizationQuerySet, filters: FleetFilters
) -> OrganizationQuerySet:
    """Return the organizations of a tab that pass the filters, and of a Stripe ID.

    Other searches are left to the paging, which decides how to read them.
    """
    organizations = _filter_by_terms(organizations, filters)
    if filters.is_stripe_id:
        organizations = _filter_by_stripe_id(organizations, filters.search)
    if filters.state is State.DELETED:
        return organizations.filter(deleted_at__isnull=False)
    if filters.state is State.ALL:
        return organizations.active()
    rows = rows_behind_tab(filters.state).filter(organization=OuterRef("pk"))
    return organizations.active().filter(Exists(rows))


def _filter_by_terms(
    organizations: OrganizationQuerySet, filters: FleetFilters
) -> OrganizationQuerySet:
    """Return the organizations of a white label, reason, plan and activity."""
    # Also if a user who sees all white labels has only one: its index gives the order.
    if len(filters.white_label_ids) == 1:
        organizations = organizations.filter(white_label=filters.white_label_ids[0])
    if filters.reason:
        organizations = filter_by_reasons(
            organizations, filters.reason.split(","), filters.white_label_ids
        )
    if filters.tier or filters.status:
        terms = {"tier": filters.tier, "status": filters.status}
        rows = Subscription.objects.filter(
            organization=OuterRef("pk"),
            kind=Subscription.Kind.PLATFORM,
            status__in=LIVE,
            **{name: value for name, value in terms.items() if value},
        )
        organizations = organizations.filter(Exists(rows))
    if filters.activity is Activity.GROWING:
        return organizations.filter(**{f"{GROWTH_SORT_FIELD}__gte": GROWING_FROM})
    if filters.activity is Activity.IDLE:
        last = timezone.now().date() - timedelta(days=IDLE_DAYS)
        used = Q(**{f"{LAST_USAGE_FIELD}__gt": last})
        return organizations.exclude(used)
    return organizations


def list_tiers() -> list[str]:
    """Return the tiers that prices are read for; the choices of the filter."""
    rows = Price.objects.exclude(tier="").filter(is_active=True)
    return sorted(set(rows.values_list("tier", flat=True)))


def rows_behind_tab(state: State) -> QuerySet[Subscription] | QuerySet[Invoice]:
    """Return the subscriptions or invoices that put organizations on a tab."""
    if state is State.UNPAID:
        return Invoice.objects.filter(overdue_from__lte=timezone.now())
    return Subscription.objects.filter(
        kind=Subscription.Kind.PLATFORM, status=TAB_STATUSES[state]
    )


TAB_STATUSES = {
    State.TRIAL: Subscription.Status.TRIALING,
    State.PAUSED: Subscription.Status.PAUSED,
}


def _filter_by_stripe_id(
    organizations: OrganizationQuerySet, text: str
) -> OrganizationQuerySet:
    account = BillingAccount.objects.filter(
        organization=OuterRef("pk"), stripe_id=text.strip()
    )
    return organizations.filter(Exists(account))
