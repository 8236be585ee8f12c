"""An organization's daily metrics with running totals, and its use of entitlements."""

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
from orgs.queries.references import get_headcount_and_entitlements

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
    """Metrics of one day: what changed in it, and the totals at its end (`total_*`).

    `compute_seconds` is CPU + weight x GPU seconds, with the white label's GPU weight.
    `total_contract_*` count from the start of the contract, the other totals from the
    organization's first day.
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


# Sums of these may exceed 64 bits, so the columns are numeric. They are read as text,
# which is faster than as Decimal.
_NUMERIC = _COLUMNS[6:]
# A row for each day of the range that has metrics, and one without a day that sums up
# everything before it: from there the running totals start. Compute counts only from
# the contract start. One scan of the organization's rows by primary key.
_SQL = """
select day, {days}
from metrics_dailymetric
where organization_id = %(organization_id)s and day >= %(start)s and day <= %(last)s
union all
select null, {before}
from metrics_dailymetric
where organization_id = %(organization_id)s and day < %(start)s
""".format(
    days=", ".join(f"{name}::text" if name in _NUMERIC else name for name in _COLUMNS),
    before=", ".join(
        f"coalesce(sum({name}) filter (where day >= %(contract)s), 0)::text"
        if name in ("cpu_seconds", "gpu_seconds")
        else f"coalesce(sum({name}), 0)" + ("::text" if name in _NUMERIC else "")
        for name in _COLUMNS
    ),
)
_Sums = tuple[int, ...]  # one for each of `_COLUMNS`, in that order
_NO_CHANGES: _Sums = (0,) * len(_COLUMNS)


def contract_start(organization: Organization) -> date:
    """Return the first day of the contract totals: its start, or else the creation."""
    zone = organization.white_label.zone
    return organization.contract_started_on or day_of(organization.created_at, zone)


def daily_metrics(
    organization: Organization, *, last: date, days: int = DAYS
) -> list[DayMetrics]:
    """Return the metrics of exactly `days` days that end with `last`, oldest first.

    Days without changes are included. Costs one query over the organization's daily
    metrics. The formulas are those of contract A, tables 3b.
    """
    calendar = [last - timedelta(days=ago) for ago in reversed(range(days))]
    contract = contract_start(organization)
    before, changes = _changes(organization.id, calendar, contract)
    rows = (changes.get(day, _NO_CHANGES) for day in calendar)
    columns = list(zip(*rows, strict=True))
    return _with_totals(
        calendar, columns, before, contract, organization.white_label.gpu_weight
    )


def _changes(
    organization_id: int, calendar: Sequence[date], contract: date
) -> tuple[_Sums, dict[date, _Sums]]:
    """Return the sums of everything before the calendar, and the changes by day."""
    rows = fetch_all(
        _SQL,
        {
            "organization_id": organization_id,
            "start": calendar[0],
            "last": calendar[-1],
            "contract": contract,
        },
    )
    changes = {day: tuple(map(int, sums)) for day, *sums in rows}
    return changes.pop(None), changes


def _with_totals(
    calendar: Sequence[date],
    columns: Sequence[_Sums],
    before: _Sums,
    contract: date,
    weight: int,
) -> list[DayMetrics]:
    """Return the days with their running totals.

    Computed column by column, which is faster than a loop over days and names.
    """
    cpu, gpu = columns[6:8]
    # Days before the contract add nothing to its totals.
    first = bisect_left(calendar, contract)
    zeros = (0,) * first
    contract_cpu = _running_totals(before[6], zeros + cpu[first:])
    contract_gpu = _running_totals(before[7], zeros + gpu[first:])
    rows = zip(
        calendar,
        *columns,
        _weighted(cpu, gpu, weight),
        # Added minus deleted, for the four pairs of columns.
        *(
            _running_totals(
                before[added] - before[added + 1],
                map(sub, columns[added], columns[added + 1]),
            )
            for added in (0, 2, 4, 8)
        ),
        contract_cpu,
        contract_gpu,
        _weighted(contract_cpu, contract_gpu, weight),
        strict=True,
    )
    return [DayMetrics(*row) for row in rows]


def _running_totals(before: int, changes: Iterable[int]) -> list[int]:
    return list(accumulate(changes, initial=before))[1:]


def _weighted(cpu: Iterable[int], gpu: Iterable[int], weight: int) -> list[int]:
    pairs = zip(cpu, gpu, strict=True)
    return [cpu_seconds + weight * gpu_seconds for cpu_seconds, gpu_seconds in pairs]


@dataclass(frozen=True, slots=True)
class MeteredEntitlement:
    """Use of one entitlement and its limit, in its unit; null is no limit."""

    slug: str
    used: int
    limit: int | None

    @property
    def fraction(self) -> float | None:
        """Used part of the limit; 1 when anything is used of a limit of 0."""
        if self.limit is None:
            return None
        if self.limit == 0:
            return 1.0 if self.used else 0.0
        return self.used / self.limit


@dataclass(frozen=True, slots=True)
class EntitlementUsage:
    """Use of every entitlement; compute counts since `since`, the contract year."""

    since: date
    compute_seconds: MeteredEntitlement
    gpu_seconds: MeteredEntitlement
    storage_bytes: MeteredEntitlement
    projects: MeteredEntitlement
    users: MeteredEntitlement

    @property
    def all(self) -> tuple[MeteredEntitlement, ...]:
        """All entitlements, in the order in which pages list them."""
        return (
            self.compute_seconds,
            self.gpu_seconds,
            self.storage_bytes,
            self.projects,
            self.users,
        )


# Compute of the contract year, and bytes stored now: additions minus deletions of all
# time. One scan of the organization's daily metrics.
_ENTITLEMENT_USAGE = """
select coalesce(sum(cpu_seconds) filter (where day >= %(since)s), 0),
    coalesce(sum(gpu_seconds) filter (where day >= %(since)s), 0),
    coalesce(sum(storage_bytes_added - storage_bytes_deleted), 0)
from metrics_dailymetric where organization_id = %(organization_id)s
"""


def entitlement_usage(organization: Organization, *, today: date) -> EntitlementUsage:
    """Return how much of each entitlement is used.

    Compute is CPU + GPU seconds, unweighted, in the contract year that holds `today`.
    """
    since = contract_year_start(contract_start(organization), today)
    heads, limits = get_headcount_and_entitlements(organization)
    parameters = {"organization_id": organization.id, "since": since}
    [sums] = fetch_all(_ENTITLEMENT_USAGE, parameters)
    cpu, gpu, storage = map(int, sums)
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
