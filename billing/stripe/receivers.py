"""Receivers of the signal that Stripe's previews of invoices are outdated."""

from typing import Any

from billing import gateway
from billing.signals import previews_outdated
from billing.stripe.tasks import refresh_upcoming_invoices
from orgs.queue.debounce import enqueue_debounced


def connect() -> None:
    """Read outdated previews again soon after the change is committed."""
    previews_outdated.connect(_refresh, weak=False)


def _refresh(*, organization_ids: list[int], **_: Any) -> None:
    if gateway.is_on():
        enqueue_debounced(refresh_upcoming_invoices, organization_ids)
