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
from billing.models import Alert, Letter, LetterRecipient


def words_to(letter: Letter, recipient: LetterRecipient) -> EmailMultiAlternatives:
    """Says the same whenever it is made."""
    link = _unsubscribe_url(letter, recipient.address)
    if letter.alert is not None:
        context, url = shown.shown(letter.alert), _url(letter.alert)
    else:
        context = digest_shown(list(digested(letter)))
        url = fleet_alerts_url()
    written = rendering.write(letter.kind, context, url=url, unsubscribe_url=link)
    return message_to(
        recipient.address,
        written,
        message_id=letter.message_id,
        unsubscribe_url=link,
    )


def digested(letter: Letter) -> QuerySet[Alert]:
    """The alerts that a digest tells of, the first crossed first."""
    alerts = Alert.objects.filter(letters__recipients__digest=letter).distinct()
    return alerts.select_related("organization__white_label").order_by("id")


def _url(alert: Alert) -> str:
    page = alerts_url(alert.organization_id)
    return f"{page}?alert={alert.pk}#alert-{alert.pk}"


def _unsubscribe_url(letter: Letter, address: str) -> str:
    """Of a duty there is none; of a digest, one for all in it that are none."""
    if letter.alert is None:
        kinds = {
            ALERT_KINDS[kind]
            for kind in digested(letter).values_list("kind", flat=True)
        }
        token = (
            ""
            if all(kind.is_duty for kind in kinds)
            else digest_token(letter.pk, address)
        )
    elif ALERT_KINDS[letter.alert.kind].is_duty:
        token = ""
    else:
        token = opt_out_token(letter.alert.organization_id, address, letter.alert.kind)
    return unsubscribe_url(token) if token else ""
