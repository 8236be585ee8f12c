"""Queries of the charges that closed periods put on invoices."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Min, QuerySet, Sum
from django.utils import timezone

from billing.ledger.queries.terms import monthly_billed_subscriptions
from billing.models import Charge, Subscription
from billing.models.mirrors import LIVE
from billing.money import ZERO
from orgs.models.work import WorkQuerySet

_MAX_SHOWN = 200
# Stands for many cheap products in one charge; a product cannot have square brackets.
OTHER_PRODUCTS = "[other]"


@dataclass(frozen=True, slots=True)
class ChargeFacts:
    """A charge, whether it is on its invoice already or not.

    `product` is empty for a credit, `invoice_stripe_id` while the charge waits for a
    draft. `error` is a text for staff.
    """

    id: int
    organization_id: int
    period: int  # number
    kind: str
    product: str
    amount: Decimal
    currency: str
    state: str
    invoice_stripe_id: str
    stripe_id: str | None
    attempts: int
    error_code: str
    error: str
    next_attempt_at: datetime
    finished_at: datetime | None


_FIELDS = (
    "id",
    "period__organization_id",
    "period__number",
    "kind",
    "product",
    "amount",
    "currency",
    "state",
    "invoice_stripe_id",
    "stripe_id",
    "attempts",
    "error_code",
    "error",
    "next_attempt_at",
    "finished_at",
)


def due_charges(**filters: Any) -> WorkQuerySet[Charge]:
    """Return the charges to send now: they have a draft, and no worker has them."""
    return Charge.objects.filter(**filters).due().exclude(invoice_stripe_id="")


def list_due_periods(limit: int) -> list[int]:
    """Return the ids of periods whose charges a sweep enqueues, the longest due first.

    Charges that became due only just now are left out: their own task is on its way.
    """
    rows = Charge.objects.forgotten().exclude(invoice_stripe_id="")
    periods = rows.values("period_id").annotate(due_at=Min("next_attempt_at"))
    ids = periods.order_by("due_at").values_list("period_id", flat=True)
    return list(ids[:limit])


def next_attempt_in(period_id: int) -> timedelta | None:
    """Return how long until a charge of a period is sent again, a second at least.

    None if all were sent, failed, or wait for a draft.
    """
    rows = Charge.objects.filter(period_id=period_id, state=Charge.State.PENDING)
    sendable = rows.exclude(invoice_stripe_id="")
    due: datetime | None = sendable.aggregate(at=Min("next_attempt_at"))["at"]
    if due is None:
        return None
    return max(due - timezone.now(), timedelta()) + timedelta(seconds=1)


def charges_awaiting_draft(**filters: Any) -> WorkQuerySet[Charge]:
    """Return the charges that wait for the next draft invoice."""
    pending = Charge.objects.filter(state=Charge.State.PENDING, invoice_stripe_id="")
    return pending.filter(**filters)


def usage_awaiting_draft(organization_id: int) -> WorkQuerySet[Charge]:
    """Return an organization's usage charges that wait for a draft, oldest first."""
    rows = charges_awaiting_draft(
        period__organization_id=organization_id, kind=Charge.Kind.USAGE
    )
    return rows.order_by("id")


def awaits_draft_of_stripe(organization_id: int) -> bool:
    """Return whether Stripe creates the organization's next draft, and soon enough."""
    subscriptions = _drafting_subscriptions()
    return subscriptions.filter(organization_id=organization_id).exists()


def list_organizations_without_draft(limit: int) -> list[int]:
    """Return ids of organizations whose waiting charges get no draft soon from Stripe.

    Only those that are due, the longest due first, so that none is starved, and that
    are linked to a customer: an invoice can be created for no other. Credit alone gets
    no invoice: it waits until there is usage to pay for.
    """
    drafting = _drafting_subscriptions().values("organization_id")
    rows = charges_awaiting_draft(
        kind=Charge.Kind.USAGE,
        period__organization__billing_account__stripe_id__isnull=False,
    ).exclude(period__organization_id__in=drafting)
    due = rows.due().values("period__organization_id")
    ordered = due.annotate(due_at=Min("next_attempt_at")).order_by("due_at")
    return list(ordered.values_list("period__organization_id", flat=True)[:limit])


def _drafting_subscriptions() -> QuerySet[Subscription]:
    """Return the platform subscriptions whose next draft takes the waiting charges.

    That of a longer cycle than a month may be far: beside it usage is billed monthly.
    """
    live = Subscription.objects.filter(kind=Subscription.Kind.PLATFORM, status__in=LIVE)
    return live.exclude(pk__in=monthly_billed_subscriptions().values("pk"))


def sum_invoice_charges(invoice_id: str) -> Decimal:
    """Return the amount of the charges that are on an invoice already, less credit."""
    done = Charge.objects.filter(invoice_stripe_id=invoice_id, state=Charge.State.DONE)
    return done.aggregate(sum=Sum("amount"))["sum"] or ZERO


def list_charges(organization_id: int) -> list[ChargeFacts]:
    """Return an organization's charges, newest period first, usage before credit.

    At most 200.
    """
    rows = Charge.objects.filter(period__organization_id=organization_id)
    ordered = rows.order_by("-period__number", "-kind", "product")
    return [ChargeFacts(*row) for row in ordered.values_list(*_FIELDS)[:_MAX_SHOWN]]
