from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef

from metrics.models import Usage
from metrics.periods import DayRange


@dataclass(frozen=True, slots=True)
class ComputeTime:
    """Plain seconds; the white label's GPU weight is not in them."""

    cpu_seconds: int
    gpu_seconds: int

    @property
    def minutes(self) -> float:
        return (self.cpu_seconds + self.gpu_seconds) / 60


_COMPUTE = """
select coalesce(sum(cpu_seconds), 0), coalesce(sum(gpu_seconds), 0)
from metrics_dailymetric
where organization_id = %s and day >= %s and day < %s
"""


def compute_time(organization_id: int, days: DayRange) -> ComputeTime:
    """What an organization computed in a half-open range of its days."""
    with connection.cursor() as cursor:
        cursor.execute(_COMPUTE, [organization_id, days.start, days.end])
        return ComputeTime(*map(int, cursor.fetchone()))


def has_usage_since(day: date, **of: str) -> Exists:
    """A condition on other tables' rows: `organization_id="pk"`, `project_id="pk"`."""
    same: dict[str, Any] = {name: OuterRef(field) for name, field in of.items()}
    return Exists(Usage.objects.filter(day__gte=day, **same))
