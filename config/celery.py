"""The Celery application; its schedule is data in settings."""

import os
from typing import Any

import pghistory
from celery import Celery, Task
from celery.signals import before_task_publish

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


ASKED_BY = "asked_by"
_KINDS = {"api_key": "API key ", "command": "command "}


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
        asker = getattr(self.request, ASKED_BY, None)
        context = {"task": self.name, "task_id": task_id, ASKED_BY: asker}
        return {name: value for name, value in context.items() if value}


@before_task_publish.connect  # type: ignore[untyped-decorator]  # Celery has no types
def name_asker(headers: dict[str, Any], **_: object) -> None:
    """Put into a message who asked for the task: a person, a key, or a command.

    A task that enqueues another one passes on who asked for itself. A task of the
    schedule has no asker.
    """
    with pghistory.context() as current:
        asker = current.metadata.get(ASKED_BY) or _asker()
    if asker:
        headers[ASKED_BY] = asker


def _asker() -> str:
    from orgs.security_log import ActorKind, current_origin  # noqa: PLC0415  apps

    actor = current_origin().actor
    if actor.kind in {ActorKind.ANONYMOUS, ActorKind.TASK}:
        return ""
    return f"{_KINDS.get(actor.kind.value, '')}{actor.name}"


app = Celery("orgdesk", task_cls=NamedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(_PACKAGES)
