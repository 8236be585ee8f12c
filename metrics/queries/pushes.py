"""Pushes and backfills: those that are due, and how they went."""

from collections.abc import Sequence
from typing import Any

from metrics.models import Push, PushBackfill
from metrics.models.pushes import FAILING_AFTER
from orgs.models.work import WorkQuerySet

# The condition of a row `t` of the partial index of integrations that fail.
FAILING = f"t.failures >= {FAILING_AFTER}"
_BACKFILLS_SHOWN = 5


def list_due_pushes(limit: int) -> list[int]:
    """Return the keys of pushes that are due, longest due first.

    Those of deleted organizations and paused integrations are left out.
    """
    return _list_due(Push.objects.filter(integration__paused_at=None), limit)


def list_due_backfills(limit: int) -> list[int]:
    """Return the keys of backfills that are due, longest due first.

    A pause does not hold them up: an empty Prometheus takes past days only before it
    has newer samples.
    """
    return _list_due(PushBackfill.objects.all(), limit)


def _list_due(rows: WorkQuerySet[Any], limit: int) -> list[int]:
    active = rows.due().filter(organization__deleted_at=None)
    pks = active.order_by("next_attempt_at", "pk").values_list("pk", flat=True)
    return list(pks[:limit])


def list_pushes(organization_id: int) -> dict[str, Push]:
    """Return the push of each integration by kind, with the integration; one query."""
    rows = Push.objects.filter(organization_id=organization_id)
    return {row.integration.kind: row for row in rows.select_related("integration")}


def list_backfills(organization_id: int) -> Sequence[PushBackfill]:
    """Return the last backfills of an organization, newest first; one query."""
    rows = PushBackfill.objects.filter(organization_id=organization_id)
    return list(rows.order_by("-pk")[:_BACKFILLS_SHOWN])
