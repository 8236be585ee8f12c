"""Organizations that reach their limits, and workers that send their emails."""

from datetime import timedelta
from typing import Any

import time_machine

from billing.alerts.commands.delivery import attempts
from billing.alerts.commands.delivery.leases import list_due_emails
from billing.models import Alert, AlertEmail, AlertEmailRecipient
from orgs.models import Organization, WhiteLabel
from tests.factories import event, make_organization, make_rate, record
from tests.support.alerts import evaluate, limit

RecipientRow = tuple[str, str, int | None]


def make_customer(
    label: WhiteLabel, external_id: str = "org-1", *, email: str = "ann@example.com"
) -> Organization:
    """Create an organization whose billing email receives its alerts."""
    return make_organization(label, external_id, billing_email=email)


def exceed(
    organization: Organization, kind: str = "soft", *, price: bool = True
) -> AlertEmail:
    """Spend 22 of a limit of 20; return the email of the alert."""
    label = organization.white_label
    if price:
        make_rate(label, "2")
    limit(organization, kind, "20")
    use(organization)
    return AlertEmail.objects.get(pk=evaluate(organization)[-1])


def use(organization: Organization, requests: int = 11) -> None:
    """Record requests of an organization."""
    body = event(
        f"e-{organization.pk}-{requests}",
        organization=organization.external_id,
        quantities={"requests": requests},
    )
    record(organization.white_label, [body])


def send_emails(*ids: int) -> None:
    """Send these emails, or those that are due, and the digests they lead to."""
    queue = list(ids) or list_due_emails(1_000)
    while queue:
        queue += attempts.attempt(queue.pop(0))


def wait(clock: time_machine.Traveller, minutes: float) -> None:
    """Let minutes pass, with a sweep of due emails after each."""
    for _ in range(int(minutes)):
        clock.shift(timedelta(minutes=1))
        send_emails()


def recipients_of(alert_email: AlertEmail) -> list[RecipientRow]:
    """Return address, state and SMTP code of each recipient, by address."""
    rows = AlertEmailRecipient.objects.filter(alert_email=alert_email)
    return [(row.address, row.state, row.smtp_code) for row in rows.order_by("address")]


def state_of(alert_email: AlertEmail) -> tuple[Any, ...]:
    """Return the email's state and attempts, and the state of its alert."""
    alert_email.refresh_from_db()
    alert = alert_of(alert_email)
    return alert_email.state, alert_email.attempts, alert.state


def alert_of(alert_email: AlertEmail) -> Alert:
    """Return the alert of an email."""
    return Alert.objects.get(alert_emails=alert_email)
