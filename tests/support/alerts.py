"""Makers of what alerts look at, for the tests of evaluation, access and the ledger."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.alerts.commands import evaluation
from billing.ledger.commands.limits import change_limit
from billing.models import Alert, BillingAccount, Subscription
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, event, record

Row = tuple[str, str, str, str]


def limit(organization: Organization, kind: str, amount: str | None) -> None:
    given = None if amount is None else Decimal(amount)
    change_limit(organization.pk, kind=kind, amount=given)


def subscribe(organization: Organization, status: str = "active", **more: Any) -> None:
    fields = {"tier": "scale", "stripe_price_id": "price_1", **more}
    stripe_id = f"sub_{organization.pk}"
    Subscription.objects.create(
        organization=organization, stripe_id=stripe_id, status=status, **fields
    )


def give(organization: Organization, balance: str) -> None:
    BillingAccount.objects.update_or_create(
        organization=organization, defaults={"free_balance": Decimal(balance)}
    )


def use(label: WhiteLabel, requests: int, id_: str = "e-1", **changes: Any) -> None:
    """Requests of org-7, an hour ago unless said otherwise."""
    record(label, [event(id_, **{"quantities": {"requests": requests}, **changes})])


def use_days(label: WhiteLabel, requests: Sequence[int], *, last: datetime) -> None:
    """So many requests a day at noon, the last ones on `last`; 0 is none at all."""
    ago = reversed(range(len(requests)))
    events = [
        event(
            f"d-{days}",
            quantities={"requests": count},
            timestamp=(last - timedelta(days=days)).isoformat(),
        )
        for count, days in zip(requests, ago, strict=True)
        if count
    ]
    record(label, events)


def look(
    *organizations: Organization, now: datetime = NOW, daily: bool = False
) -> list[int]:
    """Evaluate; answers the letters to send."""
    return evaluation.evaluate([one.pk for one in organizations], now=now, daily=daily)


def ledger(organization: Organization) -> list[Row]:
    """Kind, subject, state and period of each alert, the first crossed first."""
    rows = Alert.objects.filter(organization=organization).order_by("kind", "id")
    return [(row.kind, row.subject, row.state, row.period) for row in rows]


def kinds(organization: Organization) -> list[str]:
    return [kind for kind, *_ in ledger(organization)]
