"""Absolute URLs for emails."""

from django.conf import settings
from django.urls import reverse


def alerts_url(organization_id: int) -> str:
    """Return the URL of the alerts tab of an organization."""
    return _absolute(reverse("billing:alerts", args=[organization_id]))


def unsubscribe_url(token: str) -> str:
    """Return the URL of the page that unsubscribes by this token."""
    return _absolute(reverse("billing:unsubscribe", args=[token]))


def fleet_alerts_url() -> str:
    """Return the URL of the alerts of all organizations."""
    return _absolute(reverse("billing:fleet_alerts"))


def unpriced_url() -> str:
    """Return the URL of the page of usage without a price."""
    return _absolute(reverse("billing:unpriced"))


def webhook_endpoint_url(endpoint_id: int) -> str:
    """Return the URL of a webhook endpoint."""
    return _absolute(reverse("billing:webhook_endpoint", args=[endpoint_id]))


def _absolute(path: str) -> str:
    return f"{settings.SITE_URL}{path}"
