"""The cost of operations on one fleet: pages, API, recording, roll-up, storage.

python -m bench.growth_fleet FLEET    see `bench.growth_calls`
"""

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from bench import http
from bench.data import COMMON_WORD, RARE_WORD
from bench.growth_calls import (
    Caller,
    Figures,
    Recorder,
    load_fleet,
    milliseconds,
    serve,
)
from bench.stack import Fleet

_YEAR_ORGANIZATIONS = 200  # whose year of usage is written and measured
_DAYS = 365


def main() -> None:
    fleet = load_fleet()
    serve(lambda: _measure(fleet))


def _measure(fleet: Fleet) -> Iterator[Figures]:
    from metrics.commands.roll_up import roll_up_usage

    reads, recorder = _reads(fleet), Recorder(fleet, skipped=fleet.charted)
    yield _storage_bytes(fleet)
    _read_all_lists(fleet)
    roll_up_usage()  # what earlier recordings left pending
    while True:
        yield {
            **{row: milliseconds(read) for row, read in reads.items()},
            "recording 1,000 events": recorder.record(recorder.batch()),
            "rolling them up": milliseconds(roll_up_usage),
        }


def _read_all_lists(fleet: Fleet) -> None:
    """Read the list in every order and state, as staff of all white labels and of one.

    An index that is still unused afterwards serves no list.
    """
    from billing.console.queries.organization_list import SORTS, STATES

    for caller in (Caller(fleet), Caller(fleet, session=_bound_session(fleet))):
        for sort in SORTS:
            for order in (sort, f"-{sort}"):
                caller.page("/organizations/" + http.query(sort=order))
        for state in STATES:
            caller.page("/organizations/" + http.query(state=state))
        caller.page("/")


def _bound_session(fleet: Fleet) -> str:
    """Return the session of a user bound to the white label of the fleet."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group
    from django.test import Client

    user, _ = get_user_model().objects.get_or_create(
        username="bound", white_label_id=fleet.white_label_id
    )
    user.groups.set(Group.objects.filter(name="viewer"))
    client = Client()
    client.force_login(user)
    return client.cookies["session"].value


def _reads(fleet: Fleet) -> dict[str, Callable[[], None]]:
    caller = Caller(fleet)
    chance = random.Random()  # noqa: S311

    def page(**query: str) -> Callable[[], None]:
        path = "/organizations/" + http.query(**query)
        return lambda: caller.page(path)

    def random_id(count: int) -> int:
        return fleet.organization_id(chance.randrange(1, count + 1))

    return {
        "list": page(),
        "list, a rare word": page(q=RARE_WORD),
        "list, a common word": page(q=COMMON_WORD),
        "list by name": page(sort="name"),
        "organization": lambda: caller.page(
            f"/organizations/{random_id(fleet.organizations)}/"
        ),
        "fleet": lambda: caller.page("/"),
        "cost chart (billing costs API)": lambda: caller.api(
            _chart_path(fleet, random_id(fleet.charted))
        ),
        "organization (white-label admin API)": lambda: caller.api(
            f"/v1/api/organizations/{fleet.owner_id}/whitelabel/organizations"
            f"/{random_id(fleet.metered)}"
        ),
    }


def _chart_path(fleet: Fleet, organization_id: int) -> str:
    last = date.fromisoformat(fleet.today)
    days = http.query(
        **{"from": f"{last - timedelta(days=29)}", "to": f"{last + timedelta(days=1)}"}
    )
    return f"/api/v1/billing/costs/{organization_id}/charts{days}"


# --- storage ----------------------------------------------------------------------

_ORGANIZATION_BYTES = """
select sum(pg_total_relation_size(c.oid)) from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
and c.relname ~ '^(orgs_(organization|entitlements|member|project)|billing_)'
or c.oid in ('metrics_openperiod'::regclass, 'metrics_organizationranking'::regclass)
"""
# Rows are inserted day by day, as usage arrives: that leaves an index less dense than
# one built at the end.
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


def _storage_bytes(fleet: Fleet) -> Figures:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_ORGANIZATION_BYTES)
        average = int(cursor.fetchone()[0]) / fleet.organizations
    return {
        "an organization, with history": average,
        "a year of daily usage, 3 meters": _year_bytes(),
    }


def _year_bytes() -> float:
    """Return the bytes of a year of one organization, with indexes; all rolled back."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_YEAR_TABLE)
        for day in range(_DAYS):
            cursor.execute(_YEAR_DAY, [day, day, _YEAR_ORGANIZATIONS])
        cursor.execute("select pg_total_relation_size('growth_year')")
        total = int(cursor.fetchone()[0])
        transaction.set_rollback(True)
    return total / _YEAR_ORGANIZATIONS


if __name__ == "__main__":
    main()
