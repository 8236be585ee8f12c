"""All that contract B shows of an organization, gathered once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q
from django.utils import timezone

from billing.alerts.queries.history import list_sent
from billing.models import BillingAccount, Invoice, SpendingLimit, Subscription
from billing.models.mirrors import LIVE
from metrics.queries.integrations import IntegrationFacts, integrations
from metrics.queries.periods import open_period_meters
from metrics.queries.series import Amounts
from orgs.models import Organization
from orgs.queries.references import get_headcount

_SHOWN_INVOICES = 24
_PAUSED = (Subscription.Status.PAUSED, Subscription.Status.UNPAID)


@dataclass(frozen=True, slots=True)
class Account:
    """An organization with its money: balance, limits, subscriptions, open period."""

    organization: Organization
    billing: BillingAccount
    platform: Subscription | None
    spaces: Subscription | None
    limits: dict[str, Decimal]  # by kind; absent is none
    unpaid: Sequence[Invoice]
    meters: dict[str, Amounts]  # of the open period
    projects: int
    integrations: dict[str, IntegrationFacts]
    alerts: dict[str, datetime]  # when a letter of the open period went out, by kind

    def limit(self, kind: str) -> Decimal:
        return self.limits.get(kind, Decimal(0))

    def meter(self, slug: str) -> Amounts:
        return self.meters.get(slug, Amounts())

    @property
    def is_paused(self) -> bool:
        found = self.platform
        return found is not None and (
            found.status in _PAUSED or found.paused_at is not None
        )

    @property
    def modified_at(self) -> datetime:
        """Of the organization or of its integrations, whichever was later."""
        changed = [facts.set_at for facts in self.integrations.values()]
        return max([self.organization.updated_at, *changed])


def account(organization: Organization) -> Account:
    """Eight queries, none of them over more than one organization."""
    subscriptions = _subscriptions(organization)
    return Account(
        organization=organization,
        billing=get_billing_account(organization),
        platform=subscriptions.get(Subscription.Kind.PLATFORM),
        spaces=subscriptions.get(Subscription.Kind.SPACES),
        limits=_limits(organization),
        unpaid=_unpaid(organization),
        meters=open_period_meters(organization.id),
        projects=get_headcount(organization).projects,
        integrations=integrations(organization.id),
        alerts=list_sent(organization.id),
    )


def get_billing_account(organization: Organization) -> BillingAccount:
    """Its own, or an empty one: nothing is synced yet."""
    found = BillingAccount.objects.filter(organization=organization).first()
    return found or BillingAccount(organization=organization)


def _subscriptions(organization: Organization) -> dict[str, Subscription]:
    """The live one of each kind."""
    live = Subscription.objects.filter(organization=organization, status__in=LIVE)
    return {subscription.kind: subscription for subscription in live}


def _limits(organization: Organization) -> dict[str, Decimal]:
    rows = SpendingLimit.objects.filter(organization=organization, amount__gt=0)
    found = rows.values_list("kind", "amount")
    return {kind: amount for kind, amount in found if amount is not None}


def _unpaid(organization: Organization) -> list[Invoice]:
    """Open ones past their day, and those given up; newest first, two years or so."""
    overdue = Q(status=Invoice.Status.OPEN, due_at__lt=timezone.now())
    given_up = Q(status=Invoice.Status.UNCOLLECTIBLE)
    rows = Invoice.objects.filter(overdue | given_up, organization=organization)
    return list(rows.order_by("-issued_at", "-id")[:_SHOWN_INVOICES])


def list_stripe_ids(organization_ids: Sequence[int]) -> dict[int, str]:
    """Customers in Stripe by organization id; only those that have one."""
    rows = BillingAccount.objects.filter(organization_id__in=organization_ids)
    found = rows.values_list("organization_id", "stripe_id")
    return {id_: stripe_id for id_, stripe_id in found if stripe_id}
