"""The message of an email to one recipient, made from the facts of its alerts."""

from collections.abc import Sequence

from django.core.mail import EmailMultiAlternatives
from django.db.models import QuerySet

from billing.alerts.commands.unsubscribes import digest_token, opt_out_token
from billing.alerts.emails.context import alert_context, digest_context
from billing.alerts.emails.links import (
    alerts_url,
    fleet_alerts_url,
    unpriced_url,
    unsubscribe_url,
    webhook_endpoint_url,
)
from billing.alerts.emails.messages import message_to
from billing.alerts.emails.rendering import render_email
from billing.alerts.kinds import ALERT_KINDS, UNPRICED, WEBHOOK_DISABLED
from billing.models import Alert, AlertEmail, AlertEmailRecipient
from orgs.models import WhiteLabel
from orgs.queries.branding import branding_of


def build_message(
    alert_email: AlertEmail, recipient: AlertEmailRecipient
) -> EmailMultiAlternatives:
    """Return the message; it is the same each time that it is built."""
    link = _unsubscribe_url(alert_email, recipient.address)
    if alert_email.alert is not None:
        alerts = [alert_email.alert]
        context, url = alert_context(alert_email.alert), _url(alert_email.alert)
    else:
        alerts = list(combined_alerts(alert_email))
        context, url = digest_context(alerts), fleet_alerts_url()
    label = _white_label(alerts)
    email = render_email(
        alert_email.kind,
        context,
        url=url,
        unsubscribe_url=link,
        branding=branding_of(label) if label else None,
    )
    return message_to(
        recipient.address,
        email,
        message_id=alert_email.message_id,
        white_label=label,
        unsubscribe_url=link,
    )


def _white_label(alerts: Sequence[Alert]) -> WhiteLabel | None:
    """Return the white label of all alerts, whose customer the recipient is.

    None if they are of several, or one is for staff: these know the installation.
    """
    if any(ALERT_KINDS[alert.kind].is_for_staff for alert in alerts):
        return None
    labels = {alert.organization.white_label for alert in alerts}
    return labels.pop() if len(labels) == 1 else None


def combined_alerts(alert_email: AlertEmail) -> QuerySet[Alert]:
    """Return the alerts that a digest combines, oldest first."""
    alerts = Alert.objects.filter(
        alert_emails__recipients__digest=alert_email
    ).distinct()
    return alerts.select_related("organization__white_label").order_by("id")


def _url(alert: Alert) -> str:
    if alert.kind == UNPRICED:
        return unpriced_url()
    if alert.kind == WEBHOOK_DISABLED:
        # Its period is the instant at which an endpoint was disabled, and its ID.
        return webhook_endpoint_url(int(alert.period.rpartition("-")[2]))
    page = alerts_url(alert.organization_id)
    return f"{page}?alert={alert.pk}#alert-{alert.pk}"


def _unsubscribe_url(alert_email: AlertEmail, address: str) -> str:
    token = _unsubscribe_token(alert_email, address)
    return unsubscribe_url(token) if token else ""


def _unsubscribe_token(alert_email: AlertEmail, address: str) -> str:
    """Return the token of the link; "" if all its kinds are mandatory."""
    alert = alert_email.alert
    if alert is None:
        kinds = set(combined_alerts(alert_email).values_list("kind", flat=True))
        if all(ALERT_KINDS[kind].is_mandatory for kind in kinds):
            return ""
        return digest_token(alert_email.pk, address)
    if ALERT_KINDS[alert.kind].is_mandatory:
        return ""
    return opt_out_token(alert.organization_id, address, alert.kind)
