"""Start-up checks of the Stripe settings."""

import logging
from typing import Any

from django.conf import settings
from django.core import checks

logger = logging.getLogger(__name__)
_OFF = "STRIPE_WEBHOOK_SECRET is not set: Stripe's webhooks are refused."


def register() -> None:
    """Check the settings at every command; the web process, which runs none, logs."""
    checks.register(check_webhook_secret)
    if settings.PROCESS == "web" and _is_webhook_off():
        logger.warning("stripe_webhook_off %s", _OFF)


def check_webhook_secret(**_: Any) -> list[checks.CheckMessage]:
    """Warn when a Stripe account is set but its webhooks cannot be verified."""
    if not _is_webhook_off():
        return []
    hint = "Hourly and nightly runs still bring every change, only later."
    return [checks.Warning(_OFF, hint=hint, id="billing.W001")]


def _is_webhook_off() -> bool:
    has_secret = any(secret.strip() for secret in settings.STRIPE_WEBHOOK_SECRET)
    return bool(settings.STRIPE_SECRET_KEY) and not has_secret
