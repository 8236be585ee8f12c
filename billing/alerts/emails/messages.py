"""The MIME message of an alert email to one address, with its headers."""

from django.core.mail import EmailMultiAlternatives

from billing.alerts.emails.rendering import RenderedEmail
from orgs.commands.customer_emails import customer_message
from orgs.models import WhiteLabel


def message_to(
    address: str,
    email: RenderedEmail,
    *,
    message_id: str,
    white_label: WhiteLabel | None,
    unsubscribe_url: str = "",
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
    return customer_message(
        white_label,
        address,
        subject=email.subject,
        text=email.text,
        html=email.html,
        headers=headers,
    )
