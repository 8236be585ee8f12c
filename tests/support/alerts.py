"""Limits, subscriptions and usage that alerts measure, and the alerts recorded."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.test import Client
from django.urls import reverse

from billing.alerts.commands import evaluation
from billing.ledger.commands.limits import change_limit
from billing.models import Alert, BillingAccount, Subscription
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, event, record

AlertRow = tuple[str, str, str, str]


def proof(client: Client, organization: Organization, form: str) -> dict[str, str]:
    """Return what a form of the Alerts tab, `limits` or `recipients`, began with."""
    page = client.get(reverse("billing:alerts", args=[organization.pk]))
    return {"before": str(page.context[f"{form}_form"]["before"].value())}


def limit(organization: Organization, kind: str, amount: str | None) -> None:
    """Set a spending limit; None removes it."""
    value = None if amount is None else Decimal(amount)
    change_limit(organization.pk, kind=kind, amount=value)


def subscribe(organization: Organization, status: str = "active", **more: Any) -> None:
    """Create the subscription of an organization."""
    fields = {"tier": "scale", "stripe_price_id": "price_1", **more}
    stripe_id = f"sub_{organization.pk}"
    Subscription.objects.create(
        organization=organization, stripe_id=stripe_id, status=status, **fields
    )


def give(organization: Organization, balance: str) -> None:
    """Give an organization a free balance."""
    BillingAccount.objects.update_or_create(
        organization=organization, defaults={"free_balance": Decimal(balance)}
    )


def use(label: WhiteLabel, requests: int, id_: str = "e-1", **changes: Any) -> None:
    """Record requests of org-7, an hour ago unless `changes` has a timestamp."""
    record(label, [event(id_, **{"quantities": {"requests": requests}, **changes})])


def use_days(label: WhiteLabel, requests: Sequence[int], *, last: datetime) -> None:
    """Record daily requests of org-7, the last number on the day `last`.

    0 records no usage on that day.
    """
    days_before = reversed(range(len(requests)))
    events = [
        event(
            f"d-{days}",
            quantities={"requests": count},
            timestamp=(last - timedelta(days=days)).isoformat(),
        )
        for count, days in zip(requests, days_before, strict=True)
        if count
    ]
    record(label, events)


def evaluate(
    *organizations: Organization, now: datetime = NOW, daily: bool = False
) -> list[int]:
    """Evaluate organizations; return the ids of the emails to send."""
    ids = [organization.pk for organization in organizations]
    return evaluation.evaluate(ids, now=now, daily=daily)


def recorded_alerts(organization: Organization) -> list[AlertRow]:
    """Return kind, subject, state and period of each alert, by kind."""
    rows = Alert.objects.filter(organization=organization).order_by("kind", "id")
    return [(row.kind, row.subject, row.state, row.period) for row in rows]


def recorded_kinds(organization: Organization) -> list[str]:
    """Return the kind of each recorded alert."""
    return [kind for kind, *_ in recorded_alerts(organization)]
