"""Receivers of the signals after which alerts are evaluated."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from billing.alerts.commands import evaluation
from billing.alerts.queries.statements import RESET_DAYS
from billing.alerts.tasks import evaluate_changed, evaluate_limited, evaluate_rolled_up
from billing.signals import periods_closing, terms_changed
from metrics.signals import usage_recorded, usage_rolled_up
from orgs.queue import debounce
from orgs.signals import entitlements_changed, people_changed


def connect() -> None:
    """Evaluate organizations after usage, people, entitlements or terms change."""
    usage_recorded.connect(_evaluate_limits, weak=False)
    for signal in (usage_rolled_up, people_changed):
        signal.connect(_evaluate_current, weak=False)
    for signal in (entitlements_changed, terms_changed):
        signal.connect(_evaluate_all_measures, weak=False)
    periods_closing.connect(_evaluate_before_closing, weak=False)


def _evaluate_limits(*, organization_ids: list[int], **_: Any) -> None:
    debounce.enqueue_debounced(evaluate_limited, organization_ids)


def _evaluate_current(*, organization_ids: list[int], **_: Any) -> None:
    debounce.enqueue_debounced(evaluate_rolled_up, organization_ids)


def _evaluate_all_measures(*, organization_ids: list[int], **_: Any) -> None:
    debounce.enqueue_debounced(evaluate_changed, organization_ids)


def _evaluate_before_closing(
    *, organization_ids: list[int], ends_at: datetime, **_: Any
) -> None:
    """Record what the last usage reached: a closed period is not evaluated again.

    The sweep sends the emails. Periods that ended long ago, as after an outage of
    Stripe, are not evaluated: their alerts would come too late.
    """
    if ends_at > timezone.now() - timedelta(days=RESET_DAYS):
        evaluation.evaluate(organization_ids)
