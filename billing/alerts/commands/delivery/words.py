"""A letter to one address, made of what the ledger froze."""

from django.core.mail import EmailMultiAlternatives
from django.db.models import QuerySet

from billing.alerts.commands.delivery.optouts import digest_token
from billing.alerts.commands.recipients import opt_out_token
from billing.alerts.emails import rendering, shown
from billing.alerts.emails.links import alerts_url, fleet_alerts_url, unsubscribe_url
from billing.alerts.emails.messages import message_to
from billing.alerts.emails.shown import digest_shown
from billing.alerts.kinds import ALERT_KINDS
from billing.models import Alert, AlertEmail, AlertEmailRecipient


def words_to(
    alert_email: AlertEmail, recipient: AlertEmailRecipient
) -> EmailMultiAlternatives:
    """Says the same whenever it is made."""
    link = _unsubscribe_url(alert_email, recipient.address)
    if alert_email.alert is not None:
        context, url = shown.shown(alert_email.alert), _url(alert_email.alert)
    else:
        context = digest_shown(list(digested(alert_email)))
        url = fleet_alerts_url()
    written = rendering.write(alert_email.kind, context, url=url, unsubscribe_url=link)
    return message_to(
        recipient.address,
        written,
        message_id=alert_email.message_id,
        unsubscribe_url=link,
    )


def digested(alert_email: AlertEmail) -> QuerySet[Alert]:
    """The alerts that a digest tells of, the first crossed first."""
    alerts = Alert.objects.filter(
        alert_emails__recipients__digest=alert_email
    ).distinct()
    return alerts.select_related("organization__white_label").order_by("id")


def _url(alert: Alert) -> str:
    page = alerts_url(alert.organization_id)
    return f"{page}?alert={alert.pk}#alert-{alert.pk}"


def _unsubscribe_url(alert_email: AlertEmail, address: str) -> str:
    """Of a duty there is none; of a digest, one for all in it that are none."""
    if alert_email.alert is None:
        kinds = {
            ALERT_KINDS[kind]
            for kind in digested(alert_email).values_list("kind", flat=True)
        }
        token = (
            ""
            if all(kind.is_mandatory for kind in kinds)
            else digest_token(alert_email.pk, address)
        )
    elif ALERT_KINDS[alert_email.alert.kind].is_mandatory:
        token = ""
    else:
        token = opt_out_token(
            alert_email.alert.organization_id, address, alert_email.alert.kind
        )
    return unsubscribe_url(token) if token else ""
