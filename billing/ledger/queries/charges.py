"""What closed periods put on invoices: what is due, what failed, what became of it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Min, QuerySet, Sum

from billing.models import Charge, Subscription
from billing.models.mirrors import LIVE
from billing.money import ZERO
from orgs.models.work import WorkQuerySet

_SHOWN = 200
OTHER = "(other)"  # many cheap products together; no slug has brackets


@dataclass(frozen=True, slots=True)
class ChargeFacts:
    """A line of an invoice, there already or still to come; `error` is for people.

    `product` is empty for a credit; `invoice_stripe_id` while it waits for a draft.
    """

    id: int
    organization_id: int
    period: int
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


def due_charges(**of: Any) -> WorkQuerySet[Charge]:
    """To be sent now: with a draft to be on, and nobody at it."""
    return Charge.objects.filter(**of).due().exclude(invoice_stripe_id="")


def list_due_periods(limit: int) -> list[int]:
    """Return the keys of periods that a sweep enqueues, the longest due first."""
    rows = Charge.objects.forgotten().exclude(invoice_stripe_id="")
    first = rows.values("period_id").annotate(first=Min("next_attempt_at"))
    ids = first.order_by("first").values_list("period_id", flat=True)
    return list(ids[:limit])


def waiting_charges(**of: Any) -> QuerySet[Charge]:
    """With no invoice to be on until the next draft."""
    return Charge.objects.filter(state=Charge.State.PENDING, invoice_stripe_id="", **of)


def find_waiting(organization_id: int) -> Charge | None:
    """The first that waits for a draft."""
    rows = waiting_charges(period__organization_id=organization_id)
    return rows.order_by("id").first()


def has_draft_to_come(organization_id: int) -> bool:
    """Stripe makes them as long as there is a live platform subscription."""
    return _live().filter(organization_id=organization_id).exists()


def list_without_draft(limit: int) -> list[int]:
    """Organizations with charges that no draft will come for, and a customer."""
    rows = waiting_charges(
        period__organization__billing_account__stripe_id__isnull=False
    ).exclude(period__organization_id__in=_live().values("organization_id"))
    ids = rows.order_by("period__organization_id")
    return list(
        ids.values_list("period__organization_id", flat=True).distinct()[:limit]
    )


def _live() -> QuerySet[Subscription]:
    return Subscription.objects.filter(kind=Subscription.Kind.PLATFORM, status__in=LIVE)


def sent_usage(period_id: int) -> Decimal:
    """What of a period's usage is on an invoice; credits pay for that and no more."""
    sent = Charge.objects.filter(
        period_id=period_id, kind=Charge.Kind.USAGE, state=Charge.State.DONE
    )
    return sent.aggregate(sum=Sum("amount"))["sum"] or ZERO


def list_charges(organization_id: int) -> list[ChargeFacts]:
    """An organization's, of the newest period first, usage before the credit."""
    rows = Charge.objects.filter(period__organization_id=organization_id)
    ordered = rows.order_by("-period__number", "-kind", "product")
    return [ChargeFacts(*row) for row in ordered.values_list(*_FIELDS)[:_SHOWN]]
