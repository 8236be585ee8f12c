"""An organization's days: what happened, and the running totals since its contract."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connection

from metrics.periods import contract_year_start, day_of
from orgs.models import Organization
from orgs.queries import count_heads, get_entitlements

DAYS = 365
_COLUMNS = (
    "members_added",
    "members_deleted",
    "staff_added",
    "staff_deleted",
    "projects_added",
    "projects_deleted",
    "cpu_seconds",
    "gpu_seconds",
    "storage_bytes_added",
    "storage_bytes_deleted",
)


@dataclass(frozen=True, slots=True)
class DayMetrics:
    """One day; `total_*` hold at its end.

    `compute_seconds` = CPU + weight x GPU, the white label's weight. The contract
    totals count from `contract_started_on`, the other totals from the beginning.
    """

    day: date
    members_added: int
    members_deleted: int
    staff_added: int
    staff_deleted: int
    projects_added: int
    projects_deleted: int
    cpu_seconds: int
    gpu_seconds: int
    storage_bytes_added: int
    storage_bytes_deleted: int
    compute_seconds: int
    total_members: int
    total_staff: int
    total_projects: int
    total_storage_bytes: int
    total_contract_cpu_seconds: int
    total_contract_gpu_seconds: int
    total_contract_compute_seconds: int


@dataclass(slots=True)
class _Running:
    """What is carried from day to day."""

    members: int = 0
    staff: int = 0
    projects: int = 0
    storage_bytes: int = 0
    cpu_seconds: int = 0
    gpu_seconds: int = 0

    def add(self, delta: dict[str, int], *, in_contract: bool) -> None:
        self.members += delta["members_added"] - delta["members_deleted"]
        self.staff += delta["staff_added"] - delta["staff_deleted"]
        self.projects += delta["projects_added"] - delta["projects_deleted"]
        self.storage_bytes += (
            delta["storage_bytes_added"] - delta["storage_bytes_deleted"]
        )
        if in_contract:
            self.cpu_seconds += delta["cpu_seconds"]
            self.gpu_seconds += delta["gpu_seconds"]


# Days before the range come as two rows, before and since the contract start.
_SQL = f"""
select case when day >= %(start)s then day end, day >= %(contract)s,
    {", ".join(f"sum({column})" for column in _COLUMNS)}
from metrics_dailymetric
where organization_id = %(organization_id)s and day <= %(last)s
group by 1, 2
order by 1 nulls first
"""  # noqa: S608  names come from our own list
_NOTHING = dict.fromkeys(_COLUMNS, 0)


def contract_start(organization: Organization) -> date:
    """Where running totals start: the contract's day, or else the creation's."""
    zone = organization.white_label.zone
    return organization.contract_started_on or day_of(organization.created_at, zone)


def daily_metrics(
    organization: Organization, *, last: date, days: int = DAYS
) -> list[DayMetrics]:
    """Exactly `days` days up to and including `last`, oldest first, empty ones filled.

    One query over the organization's days; formulas from contract A, tables 3b.
    """
    start = last - timedelta(days=days - 1)
    contract = contract_start(organization)
    weight = organization.white_label.gpu_weight
    running, deltas = _Running(), {}
    for day, in_contract, delta in _rows(organization.id, start, contract, last):
        if day is None:
            running.add(delta, in_contract=in_contract)
        else:
            deltas[day] = delta
    answer = []
    for offset in range(days):
        day = start + timedelta(days=offset)
        delta = deltas.get(day, _NOTHING)
        running.add(delta, in_contract=day >= contract)
        answer.append(_day(day, delta, running, weight))
    return answer


def _rows(
    organization_id: int, start: date, contract: date, last: date
) -> Iterable[tuple[date | None, bool, dict[str, int]]]:
    with connection.cursor() as cursor:
        cursor.execute(
            _SQL,
            {
                "organization_id": organization_id,
                "start": start,
                "contract": contract,
                "last": last,
            },
        )
        for day, in_contract, *sums in cursor.fetchall():
            yield day, in_contract, dict(zip(_COLUMNS, map(int, sums), strict=True))


def _day(
    day: date, delta: dict[str, int], running: _Running, weight: int
) -> DayMetrics:
    return DayMetrics(
        day=day,
        **delta,
        compute_seconds=delta["cpu_seconds"] + weight * delta["gpu_seconds"],
        total_members=running.members,
        total_staff=running.staff,
        total_projects=running.projects,
        total_storage_bytes=running.storage_bytes,
        total_contract_cpu_seconds=running.cpu_seconds,
        total_contract_gpu_seconds=running.gpu_seconds,
        total_contract_compute_seconds=running.cpu_seconds
        + weight * running.gpu_seconds,
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """Use of one entitlement, in its unit; a null limit is no limit."""

    slug: str
    used: int
    limit: int | None

    @property
    def fraction(self) -> float | None:
        if self.limit is None:
            return None
        if self.limit == 0:
            return 1.0 if self.used else 0.0
        return self.used / self.limit


@dataclass(frozen=True, slots=True)
class EntitlementUse:
    """Every entitlement against what is used; compute since the contract year began."""

    since: date
    compute_seconds: Measured
    gpu_seconds: Measured
    storage_bytes: Measured
    projects: Measured
    users: Measured

    @property
    def all(self) -> tuple[Measured, ...]:
        """In the order people ask for them."""
        return (
            self.compute_seconds,
            self.gpu_seconds,
            self.storage_bytes,
            self.projects,
            self.users,
        )


_USED = """
select coalesce(sum(cpu_seconds) filter (where day >= %(since)s), 0),
    coalesce(sum(gpu_seconds) filter (where day >= %(since)s), 0),
    coalesce(sum(storage_bytes_added - storage_bytes_deleted), 0)
from metrics_dailymetric where organization_id = %(organization_id)s
"""


def entitlement_use(organization: Organization, *, today: date) -> EntitlementUse:
    """Compute entitlements are CPU + GPU seconds, unweighted, per contract year."""
    since = contract_year_start(contract_start(organization), today)
    limits = get_entitlements(organization)
    heads = count_heads(organization)
    with connection.cursor() as cursor:
        cursor.execute(_USED, {"organization_id": organization.id, "since": since})
        cpu, gpu, storage = map(int, cursor.fetchone())
    return EntitlementUse(
        since=since,
        compute_seconds=Measured(
            "compute_seconds", cpu + gpu, limits.compute_seconds_per_year
        ),
        gpu_seconds=Measured("gpu_seconds", gpu, limits.gpu_seconds_per_year),
        storage_bytes=Measured("storage_bytes", storage, limits.storage_bytes),
        projects=Measured("projects", heads.projects, limits.projects),
        users=Measured("users", heads.members, limits.users),
    )
