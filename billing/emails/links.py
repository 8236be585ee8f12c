"""Addresses that letters carry, whole: who reads them is not on our pages."""

from django.conf import settings
from django.urls import reverse


def alerts_url(organization_id: int) -> str:
    return _whole(reverse("billing:alerts", args=[organization_id]))


def unsubscribe_url(token: str) -> str:
    return _whole(reverse("billing:unsubscribe", args=[token]))


def fleet_alerts_url() -> str:
    return _whole(reverse("billing:fleet_alerts"))


def _whole(path: str) -> str:
    return f"{settings.SITE_URL}{path}"
