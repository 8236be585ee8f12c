"""Emails with a link to a customer page: a row first, then a message by a worker."""

import logging

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from billing.customer_pages.commands.links import renew_token
from billing.models import CustomerLinkEmail
from orgs.commands.customer_emails import customer_message, render_customer_html
from orgs.commands.work import claim, fail, finish, retry_later

logger = logging.getLogger(__name__)
_TEMPLATE = "billing/customer_pages/email.txt"


def send_link_email(pk: int) -> None:
    """Send an email if it is due; an error of the mail host is retried later.

    Each attempt makes a new token. If a worker dies after it sent the message, it is
    sent again, and only the link of the last message opens the page.
    """
    rows = CustomerLinkEmail.objects.select_related("link__organization__white_label")
    email = claim(rows, pk)
    if email is None:
        return
    if email.is_exhausted:
        fail(email, code="worker_died", message="Its workers died.")
        return
    if _is_obsolete(email):
        fail(email, code="not_sent", message="The link was revoked or has expired.")
        return
    try:
        _message(email).send()
    except Exception as error:  # the mail host's errors are of many libraries
        reason = type(error).__name__
        logger.warning("customer_link_email_failed id=%s error=%s", pk, reason)
        if not retry_later(email, code="not_sent", message=reason):
            fail(email, code="not_sent", message=reason)
        return
    finish(email)


def _is_obsolete(email: CustomerLinkEmail) -> bool:
    organization = email.link.organization
    is_deleted = organization.deleted_at is not None
    return is_deleted or email.link.has_ended(timezone.now())


def _message(email: CustomerLinkEmail) -> EmailMessage:
    """Return the message, with a token that nothing else has."""
    link = email.link
    path = reverse("billing:customer_page", args=[renew_token(link)])
    label = link.organization.white_label
    context = {
        "organization": link.organization,
        "white_label": label,
        "url": f"{settings.SITE_URL}{path}",
        "expires_at": link.expires_at,
    }
    body = render_to_string(_TEMPLATE, context)
    subject = f"Usage and costs of {link.organization.name}"
    html = render_customer_html(label, body, subject)
    return customer_message(label, email.address, subject=subject, text=body, html=html)
