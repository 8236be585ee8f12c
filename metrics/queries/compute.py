"""Compute time of an organization, and a filter for rows that have recent usage."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef

from metrics.models import Usage
from metrics.periods import DayRange


@dataclass(frozen=True, slots=True)
class ComputeTime:
    """CPU and GPU time in seconds, without the white label's GPU weight."""

    cpu_seconds: int
    gpu_seconds: int

    @property
    def minutes(self) -> float:
        return (self.cpu_seconds + self.gpu_seconds) / 60


_COMPUTE_TIME = """
select coalesce(sum(cpu_seconds), 0), coalesce(sum(gpu_seconds), 0)
from metrics_dailymetric
where organization_id = %s and day >= %s and day < %s
"""


def compute_time(organization_id: int, days: DayRange) -> ComputeTime:
    """Return the compute time of an organization in a range of its days."""
    with connection.cursor() as cursor:
        cursor.execute(_COMPUTE_TIME, [organization_id, days.start, days.end])
        return ComputeTime(*map(int, cursor.fetchone()))


def has_usage_since(day: date, **fields: str) -> Exists:
    """Return a condition that holds for rows with usage on or after `day`.

    `fields` maps columns of usage to the fields of the filtered rows:
    `organization_id="pk"`, `project_id="pk"`.
    """
    matching: dict[str, Any] = {
        column: OuterRef(field) for column, field in fields.items()
    }
    return Exists(Usage.objects.filter(day__gte=day, **matching))
