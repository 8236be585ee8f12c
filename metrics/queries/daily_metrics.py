"""An organization's days: what happened, and the running totals since its contract."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from operator import sub

from msgspec import Struct

from metrics.periods import contract_year_start
from orgs.days import day_of
from orgs.models import Organization
from orgs.queries.prepared import fetch_all
from orgs.queries.references import heads_and_limits

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


class DayMetrics(Struct, frozen=True, gc=False):
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


# Wider than 64 bits, so numeric; as text they are read faster.
_WIDE = _COLUMNS[6:]
_SQL = """
select day, {days}
from metrics_dailymetric
where organization_id = %(organization_id)s and day >= %(start)s and day <= %(last)s
union all
select null, {before}
from metrics_dailymetric
where organization_id = %(organization_id)s and day < %(start)s
""".format(
    days=", ".join(f"{name}::text" if name in _WIDE else name for name in _COLUMNS),
    before=", ".join(
        f"coalesce(sum({name}) filter (where day >= %(contract)s), 0)::text"
        if name in ("cpu_seconds", "gpu_seconds")
        else f"coalesce(sum({name}), 0)" + ("::text" if name in _WIDE else "")
        for name in _COLUMNS
    ),
)
_Sums = tuple[int, ...]  # as `_COLUMNS`
_NOTHING: _Sums = (0,) * len(_COLUMNS)


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
    calendar = [last - timedelta(days=ago) for ago in reversed(range(days))]
    contract = contract_start(organization)
    before, found = _deltas(organization.id, calendar, contract)
    columns = list(zip(*(found.get(day, _NOTHING) for day in calendar), strict=True))
    return _with_totals(
        calendar, columns, before, contract, organization.white_label.gpu_weight
    )


def _deltas(
    organization_id: int, calendar: Sequence[date], contract: date
) -> tuple[_Sums, dict[date, _Sums]]:
    """Sums of all that was before the calendar, and each day's deltas."""
    rows = fetch_all(
        _SQL,
        {
            "organization_id": organization_id,
            "start": calendar[0],
            "last": calendar[-1],
            "contract": contract,
        },
    )
    found = {day: tuple(map(int, deltas)) for day, *deltas in rows}
    return found.pop(None), found


def _with_totals(
    calendar: Sequence[date],
    columns: Sequence[_Sums],
    before: _Sums,
    contract: date,
    weight: int,
) -> list[DayMetrics]:
    """Column by column: a loop over days and names would be slower."""
    cpu, gpu = columns[6:8]
    starts = bisect_left(calendar, contract)  # days before the contract count nothing
    none = (0,) * starts
    contract_cpu = _running(before[6], none + cpu[starts:])
    contract_gpu = _running(before[7], none + gpu[starts:])
    rows = zip(
        calendar,
        *columns,
        _weighed(cpu, gpu, weight),
        *(
            _running(
                before[at] - before[at + 1], map(sub, columns[at], columns[at + 1])
            )
            for at in (0, 2, 4, 8)
        ),
        contract_cpu,
        contract_gpu,
        _weighed(contract_cpu, contract_gpu, weight),
        strict=True,
    )
    return [DayMetrics(*row) for row in rows]


def _running(before: int, deltas: Iterable[int]) -> list[int]:
    return list(accumulate(deltas, initial=before))[1:]


def _weighed(cpu: Iterable[int], gpu: Iterable[int], weight: int) -> list[int]:
    return [seconds + weight * more for seconds, more in zip(cpu, gpu, strict=True)]


@dataclass(frozen=True, slots=True)
class MeteredEntitlement:
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
class EntitlementUsage:
    """Every entitlement against what is used; compute since the contract year began."""

    since: date
    compute_seconds: MeteredEntitlement
    gpu_seconds: MeteredEntitlement
    storage_bytes: MeteredEntitlement
    projects: MeteredEntitlement
    users: MeteredEntitlement

    @property
    def all(self) -> tuple[MeteredEntitlement, ...]:
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


def entitlement_usage(organization: Organization, *, today: date) -> EntitlementUsage:
    """Compute entitlements are CPU + GPU seconds, unweighted, per contract year."""
    since = contract_year_start(contract_start(organization), today)
    heads, limits = heads_and_limits(organization)
    [used] = fetch_all(_USED, {"organization_id": organization.id, "since": since})
    cpu, gpu, storage = map(int, used)
    return EntitlementUsage(
        since=since,
        compute_seconds=MeteredEntitlement(
            "compute_seconds", cpu + gpu, limits.compute_seconds_per_year
        ),
        gpu_seconds=MeteredEntitlement("gpu_seconds", gpu, limits.gpu_seconds_per_year),
        storage_bytes=MeteredEntitlement(
            "storage_bytes", storage, limits.storage_bytes
        ),
        projects=MeteredEntitlement("projects", heads.projects, limits.projects),
        users=MeteredEntitlement("users", heads.members, limits.users),
    )
