"""The MIME message of an alert email to one address, with its headers."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from billing.alerts.emails.rendering import RenderedEmail


def message_to(
    address: str, email: RenderedEmail, *, message_id: str, unsubscribe_url: str = ""
) -> EmailMultiAlternatives:
    """Return the message to one recipient, so that no address sees the others.

    All recipients get the same Message-ID, and so does a retry.
    """
    headers = {
        "Message-ID": message_id,
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }
    if unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message = EmailMultiAlternatives(
        email.subject,
        email.text,
        settings.DEFAULT_FROM_EMAIL,
        [address],
        headers=headers,
    )
    message.attach_alternative(email.html, "text/html")
    return message
