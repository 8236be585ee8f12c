"""The limit of what is possible: a bare WSGI function from psycopg to bytes.

Each call runs two statements, prepared by the driver: the check of the key, then the
numbers.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import orjson
import redis
from psycopg_pool import ConnectionPool

from bench.peers.common import (
    COUNT,
    DATABASE_URL,
    REDIS_URL,
    WINDOW_MILLISECONDS,
    counter_name,
    days_with_starts,
    hash_key,
)

Start = Callable[[str, list[tuple[str, str]]], Any]
DAYS = 365

pool = ConnectionPool(
    DATABASE_URL, min_size=4, max_size=8, kwargs={"autocommit": True}, open=True
)
count = redis.Redis.from_url(REDIS_URL, protocol=2).register_script(COUNT)

ALLOWED = """
select k.id, k.scopes, k.last_used_at > now() - interval '1 minute',
    coalesce(o.rate_limit, w.default_rate_limit), w.time_zone
from orgs_apikey k
join orgs_whitelabel w on w.id = k.white_label_id
join orgs_organization o on o.id = %s and o.white_label_id = k.white_label_id
    and o.deleted_at is null
left join orgs_organization own on own.id = k.organization_id
where k.key_hash = %s and (k.expires_at is null or k.expires_at > now())
    and (k.revoked_at is null or k.revoked_at > now())
    and (k.organization_id is null
        or (k.organization_id = o.id and own.deleted_at is null))
"""
ALLOWED_INSIDE = """
select k.id, k.scopes, k.last_used_at > now() - interval '1 minute',
    coalesce(owner.rate_limit, w.default_rate_limit), w.time_zone, w.gpu_weight,
    o.is_billable, o.is_personal, o.contract_started_on, o.created_at,
    e.storage_bytes, e.compute_seconds_per_year, e.gpu_seconds_per_year, e.projects,
    e.users
from orgs_apikey k
join orgs_whitelabel w on w.id = k.white_label_id
join orgs_organization owner on owner.id = w.owner_id and owner.id = %s
    and owner.deleted_at is null
join orgs_organization o on o.id = %s and o.white_label_id = w.id
    and o.deleted_at is null
left join orgs_entitlements e on e.organization_id = o.id
where k.key_hash = %s and k.organization_id is null
    and (k.expires_at is null or k.expires_at > now())
    and (k.revoked_at is null or k.revoked_at > now())
"""
RECORD_USE = "update orgs_apikey set last_used_at = now() where id = %s"
SERIES = """
select day, product, trim_scale(sum(cost))::text
from metrics_dailyusage
where organization_id = %s and day >= %s and day < %s
group by day, product order by day
"""
METRICS = """
select case when day >= %s then day end, day >= %s, sum(members_added),
    sum(members_deleted), sum(staff_added), sum(staff_deleted), sum(projects_added),
    sum(projects_deleted), sum(cpu_seconds)::bigint, sum(gpu_seconds)::bigint,
    sum(storage_bytes_added)::bigint, sum(storage_bytes_deleted)::bigint
from metrics_dailymetric
where organization_id = %s and day <= %s
group by 1, 2 order by 1 nulls first
"""


class RefusedCall(Exception):
    """A refused call; the text is the status line of the response."""


def application(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    try:
        body = _answer(environ)
    except RefusedCall as refused:
        start(str(refused), [("Content-Length", "0")])
        return [b""]
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
    ]
    start("200 OK", headers)
    return [body]


def _answer(environ: dict[str, Any]) -> bytes:
    key = hash_key(environ.get("HTTP_X_API_KEY", ""))
    match environ["PATH_INFO"].split("/"):
        case ["", "api", "v1", "billing", "costs", organization, "charts"]:
            values = parse_qs(environ["QUERY_STRING"])
            start, end = (
                date.fromisoformat(values[name][0]) for name in ("from", "to")
            )
            return charts(key, int(organization), start, end)
        case ["", "api", "v1", "organizations", organization, "access"]:
            return access(key, int(organization))
        case ["", "v1", "api", _, owner, _, _, inner]:
            return info(key, int(owner), int(inner))
    raise RefusedCall("404 Not Found")


def _check(connection: Any, row: Any, scope: str, organization_id: int) -> None:
    if row is None:
        raise RefusedCall("401 Unauthorized")
    key_id, scopes, is_use_recorded, limit = row[:4]
    if scope not in scopes:
        raise RefusedCall("403 Forbidden")
    name = counter_name(organization_id, key_id)
    if count(keys=[name], args=[limit, WINDOW_MILLISECONDS])[0] > limit:
        raise RefusedCall("429 Too Many Requests")
    if not is_use_recorded:
        connection.execute(RECORD_USE, [key_id])


# --- cost chart (billing costs API) -----------------------------------------------


def charts(key: bytes, organization_id: int, start: date, end: date) -> bytes:
    with pool.connection() as connection:
        row = connection.execute(ALLOWED, [organization_id, key]).fetchone()
        _check(connection, row, "billing:read", organization_id)
        assert row  # noqa: S101  for the types
        cursor = connection.cursor(binary=True)
        rows = cursor.execute(SERIES, [organization_id, start, end]).fetchall()
    return _chart(rows, days_with_starts(start, end, row[4]))


def _chart(
    rows: Iterable[tuple[date, str, str]], days: Iterable[tuple[date, int]]
) -> bytes:
    values: dict[date, list[str]] = {}
    for day, product, cost in rows:
        name = orjson.dumps(product).decode()
        point = f'{{"id":{name},"name":{name},"value":{cost}}}'
        values.setdefault(day, []).append(point)
    points = [
        f'{{"timestamp":{timestamp},"values":[{",".join(values.get(day, ()))}]}}'
        for day, timestamp in days
    ]
    return f'{{"data":[{",".join(points)}]}}'.encode()


# --- plain key check: scopes and the rate limit, nothing else ---------------------


def access(key: bytes, organization_id: int) -> bytes:
    with pool.connection() as connection:
        row = connection.execute(ALLOWED, [organization_id, key]).fetchone()
        _check(connection, row, "organizations:read", organization_id)
    assert row  # noqa: S101  for the types
    return orjson.dumps({"allowed": True, "rate_limit": row[3]})


# --- organization with 365 days (white-label admin API) ---------------------------


def info(key: bytes, owner_id: int, inner_id: int) -> bytes:
    with pool.connection() as connection:
        row = connection.execute(ALLOWED_INSIDE, [owner_id, inner_id, key]).fetchone()
        _check(connection, row, "organizations:read", owner_id)
        assert row  # noqa: S101  for the types
        zone = ZoneInfo(row[4])
        contract = row[8] or row[9].astimezone(zone).date()
        last = datetime.now(zone).date()
        start = last - timedelta(days=DAYS - 1)
        cursor = connection.cursor(binary=True)
        metrics = cursor.execute(METRICS, [start, contract, inner_id, last]).fetchall()
    [(_, timestamp)] = days_with_starts(contract, contract + timedelta(days=1), row[4])
    since = datetime.fromtimestamp(timestamp / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _info(row, metrics, start, contract, since)


_DAY = """{"date":"%sT00:00:00Z","computeTimeCalculatedSince":"%s",\
"totalUsers":%d,"totalStaffUsers":%d,"totalProjects":%d,\
"totalCurrentContractCpuComputeTimeSeconds":%d,\
"totalCurrentContractGpuComputeTimeSeconds":%d,\
"totalCurrentContractComputeTimeSeconds":%d,"totalStorageSizeBytes":%d,\
"usersAdded":%d,"usersDeleted":%d,"staffUsersAdded":%d,"staffUsersDeleted":%d,\
"projectsAdded":%d,"projectsDeleted":%d,\
"cpuComputeTimeSeconds":%d,"gpuComputeTimeSeconds":%d,"computeTimeSeconds":%d,\
"storageBytesAdded":%d,"storageBytesDeleted":%d}"""
_EMPTY = (0,) * 10
_LIMITS = (
    "totalStorage",
    "computeTimePerYear",
    "gpuComputeTimePerYear",
    "numberOfProjects",
    "numberOfUsers",
)


def _info(row: Any, metrics: Any, start: date, contract: date, since: str) -> bytes:
    weight, is_billable, is_personal = row[5:8]
    by_day: dict[date, tuple[int, ...]] = {}
    people = staff = projects = stored = cpu = gpu = 0
    for day, in_contract, *sums in metrics:
        if day is not None:
            by_day[day] = tuple(sums)
            continue
        people += sums[0] - sums[1]
        staff += sums[2] - sums[3]
        projects += sums[4] - sums[5]
        stored += sums[8] - sums[9]
        if in_contract:
            cpu, gpu = cpu + sums[6], gpu + sums[7]
    days = []
    for offset in range(DAYS):
        day = start + timedelta(days=offset)
        a, b, c, d, e, f, day_cpu, day_gpu, added, deleted = by_day.get(day, _EMPTY)
        people, staff, projects = people + a - b, staff + c - d, projects + e - f
        stored += added - deleted
        if day >= contract:
            cpu, gpu = cpu + day_cpu, gpu + day_gpu
        days.append(
            _DAY
            % (
                day.isoformat(),
                since,
                0 if is_personal else people,
                0 if is_personal else staff,
                projects,
                cpu,
                gpu,
                cpu + weight * gpu,
                stored,
                a,
                b,
                c,
                d,
                e,
                f,
                day_cpu,
                day_gpu,
                day_cpu + weight * day_gpu,
                added,
                deleted,
            )
        )
    answer = {
        "success": True,
        "cpuComputeTime": cpu,
        "gpuComputeTime": gpu,
        "totalComputeTime": (cpu + gpu) / 60,
        "billable": is_billable,
        "entitlementLimits": dict(zip(_LIMITS, row[10:15], strict=True)),
        "computeTimeCurrentContractSince": since,
        "totalStorage": stored,
        "dailyMetrics": orjson.Fragment(f"[{','.join(days)}]"),
        "extensionBlocks": [],
        "extensionSettings": {},
    }
    return orjson.dumps(answer)
