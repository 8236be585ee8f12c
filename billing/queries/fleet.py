"""The list of organizations: searched, narrowed, sorted, and never counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from billing.models import BillingAccount, Invoice, Subscription
from billing.queries.standing import Badge, badges_of
from metrics.periods import day_of
from metrics.queries import (
    COST_KEY,
    PeriodCost,
    RecentCost,
    open_period_costs,
    recent_costs_by_day,
)
from orgs.models import Organization
from orgs.models.organizations import OrganizationQuerySet
from orgs.queries import search_organizations
from orgs.queries.paging import Order, page_of
from orgs.queries.searching import taker

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

SORTS = {
    "cost": Order(COST_KEY, descending=True),
    "name": Order("name_key"),
    "created": Order("created_at", descending=True),
}
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
        order = SORTS[self.sort.removeprefix("-")]
        return order.reversed() if self.sort.startswith("-") else order


@dataclass(frozen=True, slots=True)
class FleetRow:
    organization: Organization
    recent: RecentCost
    period: PeriodCost
    badges: list[Badge] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FleetPage:
    rows: Sequence[FleetRow]
    next_cursor: str | None
    previous_cursor: str | None


def fleet_page(
    visible: OrganizationQuerySet, filters: FleetFilters, *, scope: str
) -> FleetPage:
    """One page of those visible; a bounded number of queries, whatever the fleet.

    Sorted by what was prepared seconds ago; every number shown is read now.
    """
    rows = _narrowed(visible.select_related("white_label", "standing"), filters)
    if filters.order.field == COST_KEY:
        rows = _prepared(rows)
    page = page_of(
        rows,
        filters.order,
        size=PAGE_SIZE,
        cursor=filters.cursor or None,
        scope=f"fleet:{scope}:{filters.state}:{filters.search}",
        **_searched(filters),
    )
    recent = _recent(page.rows)
    periods = open_period_costs([organization.id for organization in page.rows])
    badges = badges_of(page.rows, periods)
    return FleetPage(
        rows=[
            FleetRow(
                organization=organization,
                recent=recent[organization.id],
                period=periods.get(organization.id, PeriodCost()),
                badges=badges[organization.id],
            )
            for organization in page.rows
        ],
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
    )


def _searched(filters: FleetFilters) -> dict[str, Any]:
    """A search of all; those of a tab are few, and sorted as they are found."""
    is_wide = filters.search and filters.state is State.ALL
    return (
        {"take": taker(filters.search)} if is_wide and not filters.is_of_stripe else {}
    )


def _prepared(organizations: OrganizationQuerySet) -> OrganizationQuerySet:
    """Those with a standing, which is everyone: each is made with its own.

    Said so that an index of standings can be walked in the list's order. A left join
    is sorted whole, and an index of one white label serves only where it is named.
    """
    return organizations.filter(standing__white_label=F("white_label"))


def _narrowed(
    organizations: OrganizationQuerySet, filters: FleetFilters
) -> OrganizationQuerySet:
    if filters.is_of_stripe:
        organizations = _by_stripe_id(organizations, filters.search)
    elif filters.search and filters.state is not State.ALL:
        organizations = search_organizations(organizations, filters.search)
    if filters.state is State.DELETED:
        return organizations.filter(deleted_at__isnull=False)
    organizations = organizations.present()
    match filters.state:
        case State.TRIAL:
            return organizations.filter(_subscribed(Subscription.Status.TRIALING))
        case State.PAUSED:
            return organizations.filter(_subscribed(Subscription.Status.PAUSED))
        case State.UNPAID:
            return organizations.filter(_owing())
    return organizations


def _by_stripe_id(
    organizations: OrganizationQuerySet, text: str
) -> OrganizationQuerySet:
    account = BillingAccount.objects.filter(
        organization=OuterRef("pk"), stripe_id=text.strip()
    )
    return organizations.filter(Exists(account))


def _subscribed(status: str) -> Exists:
    return Exists(
        Subscription.objects.filter(
            organization=OuterRef("pk"),
            kind=Subscription.Kind.PLATFORM,
            status=status,
        )
    )


def _owing() -> Exists:
    return Exists(
        Invoice.objects.filter(
            organization=OuterRef("pk"),
            status=Invoice.Status.OPEN,
            due_at__lt=timezone.now(),
        )
    )


def _recent(organizations: Sequence[Organization]) -> dict[int, RecentCost]:
    now = timezone.now()
    return recent_costs_by_day(
        {one.id: day_of(now, one.white_label.zone) for one in organizations}
    )
