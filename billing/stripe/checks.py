"""Start-up checks of the settings for Stripe."""

import logging
from typing import Any

from django.conf import settings
from django.core import checks

logger = logging.getLogger(__name__)
_MESSAGE = "STRIPE_WEBHOOK_SECRET is not set: webhooks from Stripe are rejected."


def register() -> None:
    """Register the check of the webhook secret for management commands.

    The web process runs no checks, so it logs the same message at start.
    """
    checks.register(check_webhook_secret)
    if settings.PROCESS == "web" and _is_webhook_off():
        logger.warning("stripe_webhook_off %s", _MESSAGE)


def check_webhook_secret(**_options: Any) -> list[checks.CheckMessage]:
    """Warn when a Stripe account is set but its webhooks cannot be verified."""
    if not _is_webhook_off():
        return []
    hint = "Hourly and nightly syncs still import every change, but later."
    return [checks.Warning(_MESSAGE, hint=hint, id="billing.W001")]


def _is_webhook_off() -> bool:
    has_secret = any(secret.strip() for secret in settings.STRIPE_WEBHOOK_SECRET)
    return bool(settings.STRIPE_SECRET_KEY) and not has_secret
