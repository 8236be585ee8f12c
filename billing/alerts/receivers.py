"""Which signals make alerts be evaluated."""

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
    for used in (usage_rolled_up, people_changed):
        used.connect(_evaluate, weak=False)
    for changed in (entitlements_changed, terms_changed):
        changed.connect(_evaluate_whole, weak=False)
    periods_closing.connect(_evaluate_before_closing, weak=False)


def _evaluate_limits(*, organization_ids: list[int], **_: Any) -> None:
    debounce.enqueue_debounced(evaluate_limited, organization_ids)


def _evaluate(*, organization_ids: list[int], **_: Any) -> None:
    debounce.enqueue_debounced(evaluate_rolled_up, organization_ids)


def _evaluate_whole(*, organization_ids: list[int], **_: Any) -> None:
    debounce.enqueue_debounced(evaluate_changed, organization_ids)


def _evaluate_before_closing(
    *, organization_ids: list[int], ends_at: datetime, **_: Any
) -> None:
    """Record what the last usage reached: a closed period is not evaluated again.

    The sweep sends the emails. A period that ended long ago is not news any more.
    """
    if ends_at > timezone.now() - timedelta(days=RESET_DAYS):
        evaluation.evaluate(organization_ids)
