"""Celery tasks that keep reasons for action and their snoozes up to date."""

from celery import shared_task

from billing.needs_action.commands.snoozes import end_changed_snoozes
from billing.needs_action.commands.usage_reasons import fill_usage_reasons
from billing.needs_action.queries.usage import list_candidates_after
from orgs.queue.debounce import debounced_ids
from orgs.queue.enqueue import enqueue

_BATCH = 1_000


@shared_task
def prepare_usage_reasons() -> None:
    """Refresh the reasons of organizations whose usage, people or terms changed."""
    for organization_ids in debounced_ids(prepare_usage_reasons):
        fill_usage_reasons(organization_ids)


@shared_task
def sweep_usage_reasons(after: int = 0) -> None:
    """Refresh the reasons of all organizations that may have one, a batch per task."""
    ids = list_candidates_after(after, limit=_BATCH)
    fill_usage_reasons(ids)
    if len(ids) == _BATCH:
        enqueue(sweep_usage_reasons, ids[-1])


@shared_task
def end_snoozes() -> None:
    """End the snoozes that expired or whose reason changed."""
    end_changed_snoozes()
