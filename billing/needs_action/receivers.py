"""Receivers of the signals after which reasons from usage are prepared again."""

from typing import Any

from billing.needs_action.tasks import prepare_usage_reasons
from billing.signals import terms_changed
from metrics.signals import usage_rolled_up
from orgs.queue import debounce
from orgs.signals import entitlements_changed, people_changed


def connect() -> None:
    """Prepare reasons after usage, people, entitlements or terms change."""
    for changed in (
        usage_rolled_up,
        people_changed,
        entitlements_changed,
        terms_changed,
    ):
        changed.connect(_refresh, weak=False)


def _refresh(*, organization_ids: list[int], **_: Any) -> None:
    debounce.enqueue_debounced(prepare_usage_reasons, organization_ids)
