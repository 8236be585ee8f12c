"""Query of everything that contract B shows of an organization."""

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

_MAX_INVOICES = 24
_PAUSED = (Subscription.Status.PAUSED, Subscription.Status.UNPAID)


@dataclass(frozen=True, slots=True)
class Account:
    """An organization with its balance, limits, subscriptions and open period."""

    organization: Organization
    billing: BillingAccount
    platform: Subscription | None
    spaces: Subscription | None
    limits: dict[str, Decimal]  # by kind; a kind without a limit is left out
    unpaid: Sequence[Invoice]
    meters: dict[str, Amounts]  # of the open period
    projects: int
    integrations: dict[str, IntegrationFacts]
    alerts: dict[str, datetime]  # when the open period's email was sent, by kind

    def limit(self, kind: str) -> Decimal:
        """Return a spending limit, 0 if there is none."""
        return self.limits.get(kind, Decimal(0))

    def meter(self, slug: str) -> Amounts:
        """Return the amounts of a meter in the open period, 0 if it was not used."""
        return self.meters.get(slug, Amounts())

    @property
    def is_paused(self) -> bool:
        subscription = self.platform
        return subscription is not None and (
            subscription.status in _PAUSED or subscription.paused_at is not None
        )

    @property
    def modified_at(self) -> datetime:
        """Time of the last change of the organization or what belongs to it.

        Never earlier than it was before: see `touch_organization`.
        """
        return self.organization.updated_at


def get_account(organization: Organization) -> Account:
    """Return an organization's account; eight queries, all of one organization."""
    subscriptions = _live_subscriptions(organization)
    return Account(
        organization=organization,
        billing=get_billing_account(organization),
        platform=subscriptions.get(Subscription.Kind.PLATFORM),
        spaces=subscriptions.get(Subscription.Kind.SPACES),
        limits=_limits(organization),
        unpaid=_unpaid_invoices(organization),
        meters=open_period_meters(organization.id),
        projects=get_headcount(organization).projects,
        integrations=integrations(organization.id),
        alerts=list_sent(organization.id),
    )


def get_billing_account(organization: Organization) -> BillingAccount:
    """Return an organization's billing account, an unsaved one if nothing is synced."""
    account = BillingAccount.objects.filter(organization=organization).first()
    return account or BillingAccount(organization=organization)


def _live_subscriptions(organization: Organization) -> dict[str, Subscription]:
    """Return the live subscription of each kind."""
    live = Subscription.objects.filter(organization=organization, status__in=LIVE)
    return {subscription.kind: subscription for subscription in live}


def _limits(organization: Organization) -> dict[str, Decimal]:
    rows = SpendingLimit.objects.filter(organization=organization, amount__gt=0)
    amounts = rows.values_list("kind", "amount")
    return {kind: amount for kind, amount in amounts if amount is not None}


def _unpaid_invoices(organization: Organization) -> list[Invoice]:
    """Return overdue and uncollectible invoices, newest first; 24 at most."""
    overdue = Q(overdue_from__lte=timezone.now())
    uncollectible = Q(status=Invoice.Status.UNCOLLECTIBLE, amount_remaining__gt=0)
    rows = Invoice.objects.filter(overdue | uncollectible, organization=organization)
    return list(rows.order_by("-issued_at", "-id")[:_MAX_INVOICES])


def list_stripe_ids(organization_ids: Sequence[int]) -> dict[int, str]:
    """Return the IDs of the Stripe customers that are linked, by organization id."""
    accounts = BillingAccount.objects.filter(organization_id__in=organization_ids)
    rows = accounts.values_list("organization_id", "stripe_id")
    return {id_: stripe_id for id_, stripe_id in rows if stripe_id}
