"""The message of every email to a customer: from the white label, with its branding."""

from collections.abc import Mapping
from email.utils import formataddr, parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from orgs.colors import palette
from orgs.models import WhiteLabel
from orgs.queries.branding import branding_of

_LAYOUT = "orgs/emails/customer.html"


def customer_message(
    white_label: WhiteLabel | None,
    address: str,
    *,
    subject: str,
    text: str,
    html: str,
    headers: Mapping[str, str] | None = None,
) -> EmailMultiAlternatives:
    """Return the message to one address, in the name of a white label.

    None is the installation itself, for an email about several white labels.
    """
    message = EmailMultiAlternatives(
        one_line(subject),
        text,
        sender_of(white_label),
        [address],
        headers=dict(headers or {}),
        reply_to=reply_to_of(white_label),
    )
    message.attach_alternative(html, "text/html")
    return message


def render_customer_html(white_label: WhiteLabel | None, text: str, title: str) -> str:
    """Return the HTML of an email that is only text: the same words, with branding."""
    branding = branding_of(white_label) if white_label else None
    context = {"branding": branding, "text": text, "title": title, **palette()}
    return render_to_string(_LAYOUT, context)


def sender_of(white_label: WhiteLabel | None) -> str:
    """Return the From header: the installation's address, by the white label's name."""
    name = one_line(white_label.sender_name) if white_label else ""
    if not name:
        return str(settings.DEFAULT_FROM_EMAIL)
    return formataddr((name, parseaddr(settings.DEFAULT_FROM_EMAIL)[1]))


def reply_to_of(white_label: WhiteLabel | None) -> list[str]:
    """Return where answers go; empty for the sender's address."""
    return [white_label.reply_to] if white_label and white_label.reply_to else []


def one_line(text: str) -> str:
    """Return a header without line breaks, which a name may have."""
    return " ".join(text.split())
