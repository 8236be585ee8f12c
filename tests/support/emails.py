"""Organizations that cross their limits, and workers that send what they then get."""

from datetime import timedelta
from typing import Any

import time_machine

from billing.alerts.commands.delivery import sending
from billing.alerts.commands.delivery.leases import list_due_emails
from billing.models import Alert, AlertEmail, AlertEmailRecipient
from orgs.models import Organization, WhiteLabel
from tests.factories import event, make_organization, make_rate, record
from tests.support.alerts import limit, look

Told = tuple[str, str, int | None]


def make_customer(
    label: WhiteLabel, external_id: str = "org-1", *, email: str = "ann@example.com"
) -> Organization:
    return make_organization(label, external_id, billing_email=email)


def exceed(
    organization: Organization, kind: str = "soft", *, price: bool = True
) -> AlertEmail:
    """Spends 22 of a limit of 20; the letter that it gets."""
    label = organization.white_label
    if price:
        make_rate(label, "2")
    limit(organization, kind, "20")
    use(organization)
    return AlertEmail.objects.get(pk=look(organization)[-1])


def use(organization: Organization, requests: int = 11) -> None:
    body = event(
        f"e-{organization.pk}-{requests}",
        organization=organization.external_id,
        quantities={"requests": requests},
    )
    record(organization.white_label, [body])


def work(*ids: int) -> None:
    """As the workers do: each letter that is due, and the digests it leads to."""
    waiting = list(ids) or list_due_emails(1_000)
    while waiting:
        waiting += sending.send(waiting.pop(0))


def wait(clock: time_machine.Traveller, minutes: float) -> None:
    """Minute by minute, with a sweep each."""
    for _ in range(int(minutes)):
        clock.shift(timedelta(minutes=1))
        work()


def told(alert_email: AlertEmail) -> list[Told]:
    rows = AlertEmailRecipient.objects.filter(alert_email=alert_email).order_by(
        "address"
    )
    return [(row.address, row.state, row.smtp_code) for row in rows]


def state_of(alert_email: AlertEmail) -> tuple[Any, ...]:
    """Letter's state and attempts, and its alert's state."""
    alert_email.refresh_from_db()
    alert = alert_of(alert_email)
    return alert_email.state, alert_email.attempts, alert.state


def alert_of(alert_email: AlertEmail) -> Alert:
    return Alert.objects.get(alert_emails=alert_email)
