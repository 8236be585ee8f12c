"""Differences between our rows and Stripe, those that last first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, QuerySet

from billing.models import Drift
from orgs.models import WhiteLabel


@dataclass(frozen=True, slots=True)
class DriftRow:
    """Both values, and when each was seen; instants in UTC."""

    id: int
    kind: str
    stripe_id: str
    ours: str  # empty: nothing
    theirs: str
    ours_at: datetime | None  # Stripe was asked then for what we say
    theirs_at: datetime
    first_seen_at: datetime
    last_seen_at: datetime
    healed_at: datetime | None
    healed_by: str
    run_id: int | None
    white_label_id: int | None  # null: nobody's customer
    organization_id: int | None
    organization_name: str | None

    @property
    def label(self) -> str:
        return str(Drift.Kind(self.kind).label)

    @property
    def is_warning(self) -> bool:
        return self.kind in Drift.WARNINGS

    @property
    def can_heal(self) -> bool:
        return self.healed_at is None and not self.is_warning


_FIELDS = (
    "id", "kind", "stripe_id", "ours", "theirs", "ours_at", "theirs_at",
    "first_seen_at", "last_seen_at", "healed_at", "healed_by", "run_id",
    "white_label_id", "organization_id",
)  # fmt: skip


def list_drift(
    white_labels: Sequence[WhiteLabel],
    *,
    with_nobodys: bool = False,
    healed: bool = False,
    kinds: Collection[str] = (),
    limit: int = 200,
) -> list[DriftRow]:
    """Last seen first; `with_nobodys` for whoever sees every white label."""
    rows = _within(white_labels, with_nobodys=with_nobodys)
    if kinds:
        rows = rows.filter(kind__in=kinds)
    return _rows(rows.filter(healed_at__isnull=not healed), limit)


def list_organization_drift(
    organization_id: int, *, healed: bool = False, limit: int = 50
) -> list[DriftRow]:
    rows = Drift.objects.filter(organization_id=organization_id)
    return _rows(rows.filter(healed_at__isnull=not healed), limit)


def list_run_drift(run_id: int, *, limit: int = 200) -> list[DriftRow]:
    """What a run saw, healed or not."""
    return _rows(Drift.objects.filter(run_id=run_id), limit)


def get_drift(
    drift_id: int, white_labels: Sequence[WhiteLabel], *, with_nobodys: bool = False
) -> DriftRow | None:
    rows = _within(white_labels, with_nobodys=with_nobodys).filter(pk=drift_id)
    return next(iter(_rows(rows, 1)), None)


def _within(
    white_labels: Sequence[WhiteLabel], *, with_nobodys: bool
) -> QuerySet[Drift]:
    of_them = Q(white_label__in=white_labels)
    return Drift.objects.filter(
        of_them | Q(white_label=None) if with_nobodys else of_them
    )


def _rows(rows: QuerySet[Drift], limit: int) -> list[DriftRow]:
    found = rows.annotate(name=F("organization__name")).order_by("-last_seen_at", "-id")
    return [DriftRow(*row) for row in found.values_list(*_FIELDS, "name")[:limit]]
