"""The Celery application; its schedule is data in settings."""

import os

import pghistory
from celery import Celery, Task

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Packages with a `tasks` module; a subject of an app is not found by itself.
_PACKAGES = (
    "billing.alerts",
    "billing.exports",
    "billing.forecast",
    "billing.ledger",
    "billing.needs_action",
    "billing.stripe",
    "billing.webhooks",
    "config.dev.demo",
    "metrics",
    "orgs",
)


class NamedTask(Task):  # type: ignore[misc]  # Celery has no types
    """A task whose name is in the history of what it writes."""

    def __call__(self, *args: object, **options: object) -> object:
        from orgs.security_log import Actor, ActorKind, acting_as  # noqa: PLC0415  apps

        actor = Actor(ActorKind.TASK, name=self.name)
        with acting_as(actor), pghistory.context(**self._context()):
            return super().__call__(*args, **options)

    def _context(self) -> dict[str, str]:
        """Return what the history keeps: the task, and the ID of its message."""
        task_id = self.request.id
        return {"task": self.name} | ({"task_id": task_id} if task_id else {})


app = Celery("orgdesk", task_cls=NamedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(_PACKAGES)
