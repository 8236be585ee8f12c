"""What this subject supplies to pushes, and the signals after which figures change."""

from typing import Any

from billing.integrations.queries.days import list_days
from billing.integrations.queries.figures import list_figures
from billing.integrations.queries.lines import list_lines
from billing.signals import terms_changed
from metrics.push.sources import SOURCES
from metrics.signals import usage_rolled_up
from metrics.tasks import mark_pushes
from orgs.queue import debounce
from orgs.signals import availability_changed, entitlements_changed, people_changed


def connect() -> None:
    """Register the sources, and mark pushes after usage, people or terms change."""
    SOURCES.figures.append(list_figures)
    SOURCES.days.append(list_days)
    SOURCES.lines.append(list_lines)
    for changed in (
        usage_rolled_up,
        people_changed,
        entitlements_changed,
        availability_changed,
        terms_changed,
    ):
        changed.connect(_mark, weak=False)


def _mark(*, organization_ids: list[int], **_: Any) -> None:
    debounce.enqueue_debounced(mark_pushes, organization_ids)
