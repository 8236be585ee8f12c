"""Signal receivers that keep the sort keys by limit up to date."""

from typing import Any

from billing.forecast.commands.limit_rankings import fill_limit_rankings
from billing.forecast.tasks import prepare_limits
from billing.signals import terms_changed
from metrics.signals import usage_rolled_up
from orgs.queue import debounce
from orgs.signals import organizations_created


def connect() -> None:
    """Connect the receivers.

    New organizations get their sort key at once, changed ones after a short debounce.
    """
    organizations_created.connect(_fill, weak=False)
    for changed in (usage_rolled_up, terms_changed):
        changed.connect(_refresh, weak=False)


def _fill(*, organization_ids: list[int], **_: Any) -> None:
    fill_limit_rankings(organization_ids)


def _refresh(*, organization_ids: list[int], **_: Any) -> None:
    debounce.enqueue_debounced(prepare_limits, organization_ids)
