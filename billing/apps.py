import logging
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

logger = logging.getLogger(__name__)
_OFF = "STRIPE_WEBHOOK_SECRET is not set: Stripe's webhooks are refused."


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing import commands
        from billing.signals import terms_changed
        from metrics.signals import usage_folded, usage_recorded
        from orgs.signals import (
            entitlements_changed,
            organizations_created,
            people_changed,
        )

        def open_periods(*, organization_ids: list[int], **_: Any) -> None:
            commands.open_first_periods(organization_ids)

        def look_at_limits(*, organization_ids: list[int], **_: Any) -> None:
            from billing.tasks import evaluate_limited
            from orgs.tasks import gather

            gather(evaluate_limited, organization_ids)

        def look_for_alerts(*, organization_ids: list[int], **_: Any) -> None:
            from billing.tasks import evaluate_gathered
            from orgs.tasks import gather

            gather(evaluate_gathered, organization_ids)

        def look_for_all_alerts(*, organization_ids: list[int], **_: Any) -> None:
            from billing.tasks import evaluate_changed
            from orgs.tasks import gather

            gather(evaluate_changed, organization_ids)

        organizations_created.connect(open_periods, weak=False)
        _keep_lists_in_order()
        usage_recorded.connect(look_at_limits, weak=False)
        for used in (usage_folded, people_changed):
            used.connect(look_for_alerts, weak=False)
        for changed in (entitlements_changed, terms_changed):
            changed.connect(look_for_all_alerts, weak=False)
        checks.register(_check_webhook)
        if settings.PROCESS == "web" and _is_webhook_off():  # it runs no checks
            logger.warning("stripe_webhook_off %s", _OFF)


def _keep_lists_in_order() -> None:
    from billing import commands
    from billing.signals import terms_changed
    from metrics.signals import usage_folded
    from orgs.signals import organizations_created

    def prepare(*, organization_ids: list[int], **_: Any) -> None:
        commands.fill_limit_standings(organization_ids)

    def move(*, organization_ids: list[int], **_: Any) -> None:
        from billing.tasks import prepare_limits
        from orgs.tasks import gather

        gather(prepare_limits, organization_ids)

    organizations_created.connect(prepare, weak=False)
    usage_folded.connect(move, weak=False)
    terms_changed.connect(move, weak=False)


def _is_webhook_off() -> bool:
    """There is an account to hear of, and nothing to know its voice by."""
    is_known = any(secret.strip() for secret in settings.STRIPE_WEBHOOK_SECRET)
    return bool(settings.STRIPE_SECRET_KEY) and not is_known


def _check_webhook(**_: Any) -> list[checks.CheckMessage]:
    """At every start of a command, and at the web process's in its log."""
    if not _is_webhook_off():
        return []
    hint = "Runs each hour and night still bring everything, only later."
    return [checks.Warning(_OFF, hint=hint, id="billing.W001")]
