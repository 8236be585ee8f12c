"""Reads of discrepancies between Orgdesk and Stripe, the most recently seen first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, QuerySet

from billing.models import Discrepancy
from orgs.models import WhiteLabel


@dataclass(frozen=True, slots=True)
class DiscrepancyRow:
    """A discrepancy with both values and the times they were seen, in UTC."""

    id: int
    kind: str
    stripe_id: str
    orgdesk_value: str  # empty: Orgdesk has no value
    stripe_value: str
    orgdesk_read_at: datetime | None  # when the value in Orgdesk was read from Stripe
    stripe_read_at: datetime
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    resolved_by: str
    run_id: int | None
    white_label_id: int | None  # null: the customer belongs to no organization
    organization_id: int | None
    organization_name: str | None

    @property
    def label(self) -> str:
        """The name of the discrepancy's kind, as pages show it."""
        return str(Discrepancy.Kind(self.kind).label)

    @property
    def is_warning(self) -> bool:
        """The flag of a discrepancy that only a person can resolve."""
        return self.kind in Discrepancy.WARNINGS

    @property
    def can_resolve(self) -> bool:
        """The flag of one that a worker can resolve by reading Stripe again."""
        return self.resolved_at is None and not self.is_warning


_FIELDS = (
    "id", "kind", "stripe_id", "orgdesk_value", "stripe_value", "orgdesk_read_at",
    "stripe_read_at",
    "first_seen_at", "last_seen_at", "resolved_at", "resolved_by", "run_id",
    "white_label_id", "organization_id",
)  # fmt: skip


def list_discrepancies(
    white_labels: Sequence[WhiteLabel],
    *,
    include_unassigned: bool = False,
    resolved: bool = False,
    kinds: Collection[str] = (),
    limit: int = 200,
) -> list[DiscrepancyRow]:
    """Return the open or the resolved discrepancies of these white labels.

    `include_unassigned` adds those of customers that belong to no organization; only
    users with access to every white label may see them.
    """
    rows = _visible(white_labels, include_unassigned=include_unassigned)
    if kinds:
        rows = rows.filter(kind__in=kinds)
    return _read(rows.filter(resolved_at__isnull=not resolved), limit)


def list_organization_discrepancies(
    organization_id: int, *, resolved: bool = False, limit: int = 50
) -> list[DiscrepancyRow]:
    """Return the open or the resolved discrepancies of one organization."""
    rows = Discrepancy.objects.filter(organization_id=organization_id)
    return _read(rows.filter(resolved_at__isnull=not resolved), limit)


def list_run_discrepancies(run_id: int, *, limit: int = 200) -> list[DiscrepancyRow]:
    """Return the discrepancies that a sync run found, open and resolved."""
    return _read(Discrepancy.objects.filter(run_id=run_id), limit)


def get_discrepancy(
    discrepancy_id: int,
    white_labels: Sequence[WhiteLabel],
    *,
    include_unassigned: bool = False,
) -> DiscrepancyRow | None:
    """Return a discrepancy of these white labels, or null."""
    rows = _visible(white_labels, include_unassigned=include_unassigned)
    return next(iter(_read(rows.filter(pk=discrepancy_id), 1)), None)


def _visible(
    white_labels: Sequence[WhiteLabel], *, include_unassigned: bool
) -> QuerySet[Discrepancy]:
    condition = Q(white_label__in=white_labels)
    if include_unassigned:
        condition |= Q(white_label=None)
    return Discrepancy.objects.filter(condition)


def _read(rows: QuerySet[Discrepancy], limit: int) -> list[DiscrepancyRow]:
    rows = rows.order_by("-last_seen_at", "-id")
    values = rows.annotate(name=F("organization__name")).values_list(*_FIELDS, "name")
    return [DiscrepancyRow(*row) for row in values[:limit]]
