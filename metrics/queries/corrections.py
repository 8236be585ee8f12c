"""Queries of corrections: whether one was requested, and what it voided."""

from decimal import Decimal
from uuid import UUID

from metrics.models import Correction, PeriodRerating, UsageVoid
from orgs.models import WhiteLabel


def has_correction(white_label: WhiteLabel, key: str) -> bool:
    """Return whether a correction was begun under this idempotency key."""
    rows = Correction.objects.filter(white_label=white_label, idempotency_key=key)
    return rows.exists()


def count_voided(organization_id: int, correction_id: UUID) -> tuple[int, int]:
    """Return how many events a correction voided, and how many it credited.

    Reads the organization's voids, by the first column of their key.
    """
    rows = UsageVoid.objects.filter(
        organization_id=organization_id, correction_id=correction_id
    )
    credited = rows.filter(is_credited=True).count()
    return rows.count() - credited, credited


def correction_cost(correction_id: UUID) -> Decimal:
    """Return by how much a correction changed costs; 0 if it changed nothing."""
    rows = Correction.objects.filter(pk=correction_id)
    return rows.values_list("cost", flat=True).first() or Decimal(0)


def rerated_cost(correction_id: UUID) -> tuple[int, Decimal]:
    """Return how many periods a correction re-rated, and the difference of their cost.

    Reads the whole table of re-rated periods, which has no index for this.
    """
    rows = PeriodRerating.objects.filter(correction_id=correction_id)
    return rows.count(), correction_cost(correction_id)
