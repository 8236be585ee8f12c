"""Differences between our rows and Stripe, those that last first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, QuerySet

from billing.models import Discrepancy
from orgs.models import WhiteLabel


@dataclass(frozen=True, slots=True)
class DiscrepancyRow:
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
    resolved_at: datetime | None
    resolved_by: str
    run_id: int | None
    white_label_id: int | None  # null: nobody's customer
    organization_id: int | None
    organization_name: str | None

    @property
    def label(self) -> str:
        return str(Discrepancy.Kind(self.kind).label)

    @property
    def is_warning(self) -> bool:
        return self.kind in Discrepancy.WARNINGS

    @property
    def can_resolve(self) -> bool:
        return self.resolved_at is None and not self.is_warning


_FIELDS = (
    "id", "kind", "stripe_id", "ours", "theirs", "ours_at", "theirs_at",
    "first_seen_at", "last_seen_at", "resolved_at", "resolved_by", "run_id",
    "white_label_id", "organization_id",
)  # fmt: skip


def list_discrepancies(
    white_labels: Sequence[WhiteLabel],
    *,
    with_nobodys: bool = False,
    resolved: bool = False,
    kinds: Collection[str] = (),
    limit: int = 200,
) -> list[DiscrepancyRow]:
    """Last seen first; `with_nobodys` for whoever sees every white label."""
    rows = _within(white_labels, with_nobodys=with_nobodys)
    if kinds:
        rows = rows.filter(kind__in=kinds)
    return _rows(rows.filter(resolved_at__isnull=not resolved), limit)


def list_organization_discrepancies(
    organization_id: int, *, resolved: bool = False, limit: int = 50
) -> list[DiscrepancyRow]:
    rows = Discrepancy.objects.filter(organization_id=organization_id)
    return _rows(rows.filter(resolved_at__isnull=not resolved), limit)


def list_run_discrepancies(run_id: int, *, limit: int = 200) -> list[DiscrepancyRow]:
    """What a run saw, healed or not."""
    return _rows(Discrepancy.objects.filter(run_id=run_id), limit)


def get_discrepancy(
    discrepancy_id: int,
    white_labels: Sequence[WhiteLabel],
    *,
    with_nobodys: bool = False,
) -> DiscrepancyRow | None:
    rows = _within(white_labels, with_nobodys=with_nobodys).filter(pk=discrepancy_id)
    return next(iter(_rows(rows, 1)), None)


def _within(
    white_labels: Sequence[WhiteLabel], *, with_nobodys: bool
) -> QuerySet[Discrepancy]:
    of_them = Q(white_label__in=white_labels)
    return Discrepancy.objects.filter(
        of_them | Q(white_label=None) if with_nobodys else of_them
    )


def _rows(rows: QuerySet[Discrepancy], limit: int) -> list[DiscrepancyRow]:
    found = rows.annotate(name=F("organization__name")).order_by("-last_seen_at", "-id")
    return [DiscrepancyRow(*row) for row in found.values_list(*_FIELDS, "name")[:limit]]
