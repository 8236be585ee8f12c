"""Costs over one fleet: pages, calls, recording, folding, storage. Prints JSON.

python -m bench.growth_fleet      {fleet, calls} in, {row: {unit, value}} out
"""

import json
import random
from collections.abc import Callable
from datetime import date, timedelta

from bench import http
from bench.data import COMMON_WORD, RARE_WORD
from bench.growth_calls import (
    Caller,
    Figures,
    Recorder,
    figure,
    given,
    medians,
    milliseconds,
)
from bench.stack import Fleet

_YEAR_OF = 200  # organizations whose year of usage is written and weighed
_DAYS, _METERS = 365, 3


def main() -> None:
    fleet, asked = given()
    calls = int(asked["calls"])
    reads = _reads(fleet)
    figures = {
        **medians(calls, lambda: {row: milliseconds(reads[row]) for row in reads}),
        **_recorded(fleet, calls),
        **_stored(fleet),
    }
    print(json.dumps(figures))


def _reads(fleet: Fleet) -> dict[str, Callable[[], None]]:
    caller = Caller(fleet)
    chance = random.Random()  # noqa: S311

    def page(**query: str) -> Callable[[], None]:
        path = "/organizations/" + http.query(**query)
        return lambda: caller.page(path)

    def anyone(of: int) -> int:
        return fleet.id_of(chance.randrange(1, of + 1))

    return {
        "list": page(),
        "list, a rare word": page(q=RARE_WORD),
        "list, a common word": page(q=COMMON_WORD),
        "list by name": page(sort="name"),
        "organization": lambda: caller.page(
            f"/organizations/{anyone(fleet.organizations)}/"
        ),
        "fleet": lambda: caller.page("/"),
        "contract C, chart": lambda: caller.api(_chart(fleet, anyone(fleet.charted))),
        "contract A, organization": lambda: caller.api(
            f"/v1/api/organizations/{fleet.owner_id}/whitelabel/organizations"
            f"/{anyone(fleet.metered)}"
        ),
    }


def _chart(fleet: Fleet, organization_id: int) -> str:
    last = date.fromisoformat(fleet.today)
    days = http.query(
        **{"from": f"{last - timedelta(days=29)}", "to": f"{last + timedelta(days=1)}"}
    )
    return f"/api/v1/billing/costs/{organization_id}/charts{days}"


def _recorded(fleet: Fleet, calls: int) -> Figures:
    """Those with charts get no usage: next time their charts are the same."""
    from metrics.commands import fold_usage

    recorder = Recorder(fleet, skipped=fleet.charted)
    fold_usage()  # what was left
    return medians(
        calls,
        lambda: {
            "recording 1,000 events": recorder.record(recorder.batch()),
            "folding them": milliseconds(fold_usage),
        },
    )


# --- storage ----------------------------------------------------------------------

_ORGANIZATION_BYTES = """
select sum(pg_total_relation_size(c.oid)) from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
and c.relname ~ '^(orgs_(organization|entitlements|member|project)|billing_)'
or c.oid in ('metrics_openperiod'::regclass, 'metrics_standing'::regclass)
"""
# Day after day, as usage comes: an index grows less dense than one built at the end.
_YEAR_TABLE = """
create table growth_year (like metrics_dailyusage including all)
with (fillfactor = 85)
"""
_YEAR_DAY = """
insert into growth_year (organization_id, day, product, meter, project_id, period,
    quantity, cost, benchmark_cost, unpriced_quantity)
select o, date '2026-01-01' + %s, 'model-07', m.slug, 0, 1 + %s / 30, q.quantity,
    q.quantity * 0.000002, q.quantity * 0.000003, 0
from generate_series(1, %s) o,
    unnest(array['completion_tokens', 'prompt_tokens', 'requests']) m(slug),
    lateral (select 100000 + o * 7919 %% 9973 as quantity) q
order by o, m.slug
"""


def _stored(fleet: Fleet) -> Figures:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_ORGANIZATION_BYTES)
        each = int(cursor.fetchone()[0]) / fleet.organizations
    return {
        "an organization, with history": figure("bytes", each),
        "a year of daily usage, 3 meters": figure("bytes", _year_bytes()),
    }


def _year_bytes() -> float:
    """Of one organization, with indexes; written, weighed and rolled back."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_YEAR_TABLE)
        for day in range(_DAYS):
            cursor.execute(_YEAR_DAY, [day, day, _YEAR_OF])
        cursor.execute("select pg_total_relation_size('growth_year')")
        total = int(cursor.fetchone()[0])
        transaction.set_rollback(True)
    return total / _YEAR_OF


if __name__ == "__main__":
    main()
