"""Reads of sync runs for progress bars and for the list of past runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from billing.models import SyncRun
from orgs.models import WhiteLabel

_State = SyncRun.State


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """The progress or the result of a sync run; counts are of objects in Stripe."""

    id: int
    white_label_id: int
    white_label_name: str
    state: str
    stage: str
    repairs: bool
    done: int
    total: int | None  # as many as in the last run; null: unknown
    written: int
    discrepancy_count: int
    errors: int
    requested_by: str  # empty: the nightly schedule
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    now: datetime

    @property
    def is_unfinished(self) -> bool:
        return self.state in (_State.PENDING, _State.RUNNING)

    @property
    def duration_seconds(self) -> float:
        """The duration of the run until now or its end, including waits."""
        if self.started_at is None:
            return 0.0
        ended_at = self.finished_at or self.now
        return max(0.0, (ended_at - self.started_at).total_seconds())

    @property
    def rate(self) -> float:
        """The number of objects read per second."""
        return self.done / self.duration_seconds if self.duration_seconds else 0.0

    @property
    def percent(self) -> int | None:
        """The progress in percent; null while the total is unknown.

        An unfinished run stays below 100: it may read more objects than the last run.
        """
        if not self.is_unfinished:
            return 100 if self.state == _State.DONE else None
        return min(99, 100 * self.done // self.total) if self.total else None

    @property
    def remaining(self) -> timedelta | None:
        """The estimated time until the end; null while it cannot be estimated."""
        if not (self.is_unfinished and self.total and self.rate):
            return None
        return timedelta(seconds=max(0, self.total - self.done) / self.rate)


def list_syncs(
    white_labels: Sequence[WhiteLabel], *, limit: int = 20
) -> list[SyncProgress]:
    """Return the runs of these white labels, newest first."""
    runs = SyncRun.objects.filter(white_label__in=white_labels)
    now = timezone.now()
    runs = runs.select_related("white_label").order_by("-id")
    return [_progress(run, now) for run in runs[:limit]]


def last_syncs(white_labels: Sequence[WhiteLabel]) -> dict[int, SyncProgress]:
    """Return the newest run of each white label that has one, by white label ID."""
    # One index lookup for each white label, whatever the number of its runs.
    newest = SyncRun.objects.filter(white_label=OuterRef("pk")).order_by("-id")
    labels = WhiteLabel.objects.filter(pk__in=[label.pk for label in white_labels])
    ids = labels.values_list(Subquery(newest.values("pk")[:1]), flat=True)
    runs = SyncRun.objects.filter(pk__in=ids).select_related("white_label")
    now = timezone.now()
    return {run.white_label_id: _progress(run, now) for run in runs}


def get_sync(run_id: int, white_labels: Sequence[WhiteLabel]) -> SyncProgress | None:
    """Return a run, or null if it belongs to another white label."""
    runs = SyncRun.objects.filter(pk=run_id, white_label__in=white_labels)
    run = runs.select_related("white_label").first()
    return _progress(run, timezone.now()) if run else None


def _progress(run: SyncRun, now: datetime) -> SyncProgress:
    return SyncProgress(
        id=run.pk,
        white_label_id=run.white_label_id,
        white_label_name=run.white_label.name,
        state=run.state,
        stage=run.stage,
        repairs=run.repairs,
        done=run.done,
        total=run.total,
        written=run.written,
        discrepancy_count=run.discrepancy_count,
        errors=run.errors,
        requested_by=run.requested_by,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        error=run.error,
        now=now,
    )
