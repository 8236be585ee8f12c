"""A letter to one address as a message, with the headers that mail programs read."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from billing.emails.rendering import Written


def message_to(
    address: str, written: Written, *, message_id: str, unsubscribe_url: str = ""
) -> EmailMultiAlternatives:
    """Each address gets a message of its own: nobody reads who else is told.

    All of a letter have its Message-ID, and so has one that is sent again.
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
        written.subject,
        written.text,
        settings.DEFAULT_FROM_EMAIL,
        [address],
        headers=headers,
    )
    message.attach_alternative(written.html, "text/html")
    return message
