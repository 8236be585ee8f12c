"""Time the evaluation of alerts, compared with the same sums as one SQL statement.

    python -m bench.alerting FIRST_ID ORGANIZATIONS ROUNDS

Prints the medians in seconds as JSON. Each organization has a soft and a hard limit,
and one in a hundred has exceeded its soft limit. Everything is rolled back at the end.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import django

_LIMITS = """
insert into billing_spendinglimit (organization_id, kind, amount, version)
select o, k, case when k = 'soft' and o %% 100 = 0 then 0.01 else 900000000 end, 1
from unnest(%(ids)s::bigint[]) o cross join (values ('soft'), ('hard')) k (k)
on conflict (organization_id, kind) do update set amount = excluded.amount
"""
# The obvious statement for the same question: the sums, joined with the limits.
_BARE = """
select o.id, c.cost, m.compute, m.gpu, m.storage
from orgs_organization o join metrics_openperiod p on p.organization_id = o.id
cross join lateral (select coalesce(sum(cost), 0) as cost from metrics_usage
    where organization_id = o.id and period = p.number) c
cross join lateral (
    select sum(cpu_seconds + gpu_seconds) filter (where day >= %(year)s) as compute,
        sum(gpu_seconds) filter (where day >= %(year)s) as gpu,
        sum(storage_bytes_added - storage_bytes_deleted) as storage
    from metrics_dailymetric where organization_id = o.id) m
left join billing_spendinglimit soft on soft.organization_id = o.id
    and soft.kind = 'soft'
left join billing_spendinglimit hard on hard.organization_id = o.id
    and hard.kind = 'hard'
left join orgs_entitlements e on e.organization_id = o.id
where o.id = any(%(ids)s) and (c.cost >= soft.amount or c.cost >= hard.amount
    or m.compute >= e.compute_seconds_per_year or m.gpu >= e.gpu_seconds_per_year
    or m.storage >= e.storage_bytes)
"""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    import pghistory
    from django.db import transaction

    first, organizations, rounds = map(int, sys.argv[1:])
    # Without a context, each history row ends a subtransaction, and each of those scans
    # all deferred work of the transaction: that takes minutes with so many rows.
    with transaction.atomic(), pghistory.context(username="bench"):
        ids = _active_ids(first, organizations)
        _execute(_LIMITS, ids)
        _execute("analyze billing_spendinglimit", ids)
        seconds = {
            name: statistics.median(_timed(measured, ids) for _ in range(rounds))
            for name, measured in (("find", _find), ("bare", _bare))
        }
        seconds["evaluate"] = _timed(_evaluate, ids)
        transaction.set_rollback(True)
    print(json.dumps(seconds))


def _active_ids(first: int, count: int) -> list[int]:
    from orgs.models import Organization

    rows = Organization.objects.active().filter(pk__gte=first).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:count])


def _timed(measured: Callable[[list[int]], object], ids: list[int]) -> float:
    began = time.perf_counter()
    measured(ids)
    return time.perf_counter() - began


def _find(ids: list[int]) -> None:
    """Find alert changes in batches of the size that an evaluation uses."""
    from django.utils import timezone

    from billing.alerts.commands.evaluation import BATCH_SIZE
    from billing.alerts.queries.measurements import find_changes

    now = timezone.now()
    for start in range(0, len(ids), BATCH_SIZE):
        find_changes(ids[start : start + BATCH_SIZE], now=now)


def _evaluate(ids: list[int]) -> None:
    from billing.alerts.commands import evaluation

    evaluation.evaluate(ids)


def _bare(ids: list[int]) -> None:
    _execute(_BARE, ids)


def _execute(statement: str, ids: list[int]) -> Any:
    from django.db import connection
    from django.utils import timezone

    with connection.cursor() as cursor:
        cursor.execute(statement, {"ids": ids, "year": timezone.now().date()})


if __name__ == "__main__":
    main()
