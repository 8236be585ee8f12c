"""All background work of the installation: what waits, runs, and has failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import redis
from django.apps import apps
from django.conf import settings

from orgs import valkey
from orgs.models.work import Work, WorkState
from orgs.queries.prepared import fetch_all

MAX_COUNT = 10_000  # larger numbers are not counted on
# Redis has a list for each priority of a queue, which Celery names so.
_PRIORITY_SUFFIXES = ("", *(f"\x06\x16{step}" for step in (3, 6, 9)))
# Whose failed rows a button may try again: a late email or push does no harm.
RETRIED = ("account_emails", "pushes", "push_backfills", "customer_link_emails")
_LABELS = {
    "account_emails": ("Account emails", ""),
    "alert_emails": ("Alert emails", "billing:fleet_alerts"),
    "charges": ("Charges", "billing:failed_jobs"),
    "customer_link_emails": ("Customer page emails", ""),
    "exports": ("Exports", "billing:exports"),
    "jobs": ("Jobs of the API", "billing:failed_jobs"),
    "push_backfills": ("Backfills of pushes", ""),
    "pushes": ("Pushes to customers", ""),
    "rerate_runs": ("Re-rates", "metrics:rerates"),
    "stripe_actions": ("Stripe actions", "billing:failed_jobs"),
    "stripe_events": ("Webhook events", "billing:webhook_events"),
    "sync_runs": ("Sync runs", "billing:stripe_sync"),
    "webhook_deliveries": ("Webhook deliveries", "billing:webhook_endpoints"),
}


@dataclass(frozen=True, slots=True)
class WorkKind:
    """One kind of background work; `page` is the URL name where its rows are listed.

    Counts stop at `MAX_COUNT`. `waiting_since` is when the oldest row became due.
    """

    slug: str
    label: str
    page: str
    waiting: int
    waiting_since: datetime | None
    running: int
    failed: int

    @property
    def is_retried(self) -> bool:
        return bool(self.failed) and self.slug in RETRIED


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of the broker; `messages` is None if the broker does not answer."""

    name: str
    messages: int | None


def work_models() -> dict[str, type[Work]]:
    """Return the tables of background work by slug, such as `alert_emails`."""
    models = [model for model in apps.get_models() if issubclass(model, Work)]
    return {_slug(model): model for model in models}


def _slug(model: type[Work]) -> str:
    plural = str(model._meta.verbose_name_plural)
    return plural.replace(" ", "_").replace("deliverys", "deliveries")


# From the indexes of unfinished and of failed rows, which are small.
_COUNTS = """
select %(slug_{i})s,
    (select count(*) from (select from {table} where state = any(%(unfinished)s)
        and state <> %(running)s and next_attempt_at <= now() limit %(most)s) w),
    (select min(next_attempt_at) from {table} where state = any(%(unfinished)s)
        and state <> %(running)s and next_attempt_at <= now()),
    (select count(*) from (select from {table} where state = any(%(unfinished)s)
        and state = %(running)s limit %(most)s) r),
    (select count(*) from (select from {table} where state = %(failed)s
        limit %(most)s) f)
"""


def list_work() -> list[WorkKind]:
    """Return every kind of background work with its counts; one statement."""
    models = sorted(work_models().items())
    statement = " union all ".join(
        _COUNTS.format(i=i, table=model._meta.db_table)
        for i, (_, model) in enumerate(models)
    )
    parameters = {f"slug_{i}": slug for i, (slug, _) in enumerate(models)} | {
        "unfinished": [WorkState.PENDING.value, WorkState.RUNNING.value],
        "running": WorkState.RUNNING.value,
        "failed": WorkState.FAILED.value,
        "most": MAX_COUNT,
    }
    rows = {slug: counts for slug, *counts in fetch_all(statement, parameters)}
    return [WorkKind(slug, *_LABELS[slug], *rows[slug]) for slug, _ in models]


def list_queues() -> Sequence[Queue]:
    """Return the queues of the broker with the messages that no worker has taken."""
    try:
        return [Queue(name, _length(name)) for name in settings.CELERY_TASK_QUEUES]
    except redis.RedisError:
        return [Queue(name, None) for name in settings.CELERY_TASK_QUEUES]


def _length(queue: str) -> int:
    client = valkey.client()
    return sum(int(client.llen(queue + suffix)) for suffix in _PRIORITY_SUFFIXES)
