"""The hottest statements never read a big table from end to end.

PostgreSQL itself tells how it ran what the product sent (auto_explain, with the real
parameters), so nothing here can differ from the product's statements. Ten thousand
organizations, and reading whole made dearer, are enough for the planner to choose as
it does with millions; what it then did read is counted.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
import pytest
import time_machine
from django.apps import apps
from django.db import connection
from django.db.models import GeneratedField, Model
from django.test import Client
from pghistory.models import Event
from pytest_django import DjangoDbBlocker

from billing.forecast.commands import fill_limit_rankings
from billing.models import (
    BillingAccount,
    Invoice,
    LimitRanking,
    SpendingLimit,
    Subscription,
)
from billing.models.periods import BillingPeriod
from metrics.commands.rankings import fill_rankings
from metrics.commands.roll_up import roll_up_usage
from metrics.models import (
    DailyMetric,
    DailyUsage,
    FleetTotal,
    OpenPeriod,
    OrganizationRanking,
    PendingFleetUsage,
    PendingUsage,
    Rate,
    UsageEvent,
)
from orgs.commands.editing import set_entitlements
from orgs.models import (
    ApiKey,
    Entitlements,
    Job,
    Member,
    Organization,
    Project,
    WhiteLabel,
)
from orgs.queries import searching
from orgs.tasks import sweep_jobs
from tests.factories import (
    NOW,
    event,
    make_key,
    make_organization,
    make_rate,
    make_user,
    make_white_label,
    record,
)

ORGANIZATIONS = 10_000
BIG = 5_000  # rows; nothing hot may read through a table of so many
TIMES = 20  # reading whole costs as if each table were so many times as large
MANY = 2_500  # rows; a page of fifty or a batch of hundreds reads less of any table
FIRST = 1_000_000  # cloned ids lie above those that sequences give
ONE = FIRST + 7_001  # the organization that is asked for
WHITE_LABEL_OF = "(select white_label_id from orgs_organization o where o.id = {} + n)"


# --- the fleet --------------------------------------------------------------------


def clone(model: type[Model], count: int, **columns: str) -> None:
    """Copies of the table's newest row, but for these columns: SQL over `n`."""
    table = model._meta.db_table
    names = [
        field.column
        for field in model._meta.concrete_fields
        if field.column and not isinstance(field, GeneratedField)
    ]
    key = "pgh_id" if issubclass(model, Event) else "id"
    key = key if key in names else "organization_id"
    changed = ", ".join(f"'{name}', {sql}" for name, sql in columns.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"insert into {table} ({', '.join(names)})"
            f" select {', '.join(f'r.{name}' for name in names)}"
            f" from (select * from {table} order by {key} desc limit 1) t"
            f" cross join generate_series(1, {count}) n"
            f" cross join lateral jsonb_populate_record(t::{table},"
            f" jsonb_build_object({changed})) r"
        )


def make_template(label: WhiteLabel) -> Organization:
    """One organization with a row in every table, by the product's own commands."""
    org = make_organization(
        label,
        "template",
        members=[{"external_id": "u-1", "email": "ann@example.com",
                  "added_at": "2026-01-06T00:00:00Z"}],
        projects=[{"external_id": "p-1", "name": "One"}],
    )  # fmt: skip
    set_entitlements(org, {"users": 7})
    make_rate(label, "3", organization=org)
    make_key(label, "billing:read", organization=org)
    record(label, [event(organization="template", project="p-1",
                         quantities={"requests": 5, "cpu_seconds": 7})])  # fmt: skip
    roll_up_usage()
    BillingAccount.objects.create(organization=org, stripe_id="cus_0")
    SpendingLimit.objects.create(organization=org, kind="hard", amount=500)
    Subscription.objects.create(
        organization=org, stripe_id="sub_0", status="active", tier="pro",
        stripe_price_id="price_0",
    )  # fmt: skip
    Invoice.objects.create(
        organization=org, stripe_id="in_0", status="paid", currency="usd",
        total=10, amount_due=10, issued_at=NOW, due_at=NOW,
    )  # fmt: skip
    Job.objects.create(
        organization=org, kind="usage_report", state="done", finished_at=NOW
    )
    return org


def make_fleet(label: WhiteLabel, other: WhiteLabel) -> None:
    make_template(label)
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")  # no triggers
        clone_organizations(label, other)
        clone_usage()
        clone_money()
        clone_histories()
        cursor.execute("set session_replication_role = origin")


def clone_organizations(label: WhiteLabel, other: WhiteLabel) -> None:
    ids = {"id": f"{FIRST} + n"}
    clone(
        Organization,
        ORGANIZATIONS,
        **ids,
        white_label_id=f"case when n % 2 = 1 then {label.id} else {other.id} end",
        external_id="'x-' || n",
        name="'Company ' || n || ' ' || substr(md5(n::text), 1, 8)",
        billing_email="'pay' || n || '@example.com'",
        created_at="timestamptz '2025-01-01' + n * interval '10 minutes'",
        deleted_at="case when n % 100 = 0 then timestamptz '2026-10-01' end",
    )
    own = {"organization_id": f"{FIRST} + n"}
    each = {"organization_id": f"{FIRST} + 1 + n % {ORGANIZATIONS}"}
    clone(Entitlements, ORGANIZATIONS, **own)
    clone(Member, 2 * ORGANIZATIONS, **ids, **each, external_id="'u-' || n",
          email="'u' || n || '@example.com'")  # fmt: skip
    clone(Project, 2 * ORGANIZATIONS, **ids, **each, external_id="'p-' || n")
    clone(Job, ORGANIZATIONS, **ids, **own)
    clone(ApiKey, ORGANIZATIONS, **ids, **own, key_hash="sha256(n::text::bytea)")


def clone_usage() -> None:
    """Every fourth day of the last month; three months of events."""
    own = {"organization_id": f"{FIRST} + n"}
    each = {"organization_id": f"{FIRST} + 1 + n % {ORGANIZATIONS}"}
    day = f"date '2026-11-21' - (n / {ORGANIZATIONS}) * 4"
    at = f"timestamptz '2026-11-21' - (n / {ORGANIZATIONS}) * interval '30 days'"
    clone(OpenPeriod, ORGANIZATIONS, **own)
    clone(OrganizationRanking, ORGANIZATIONS, **own, cost_30_days="n * 7919 % 1000003",
          white_label_id=WHITE_LABEL_OF.format(FIRST))  # fmt: skip
    clone(Rate, ORGANIZATIONS, id=f"{FIRST} + n", **own)
    clone(DailyUsage, 8 * ORGANIZATIONS - 1, **each, day=day)
    clone(DailyMetric, 8 * ORGANIZATIONS - 1, **each, day=day)
    clone(UsageEvent, 3 * ORGANIZATIONS - 1, **each, at=at, event_id="'e-' || n")


def clone_money() -> None:
    ids = {"id": f"{FIRST} + n"}
    own = {"organization_id": f"{FIRST} + n"}
    clone(BillingPeriod, ORGANIZATIONS, **ids, **own)
    clone(BillingAccount, ORGANIZATIONS, **own, stripe_id="'cus_' || n")
    clone(SpendingLimit, ORGANIZATIONS, **ids, **own)
    # One of ten has a day; the rest are alike, and far the most.
    clone(
        LimitRanking,
        ORGANIZATIONS,
        **own,
        white_label_id=WHITE_LABEL_OF.format(FIRST),
        reached_on="case when n % 10 < 2 then date '2026-11-21' + n % 365 end",
    )
    clone(
        Subscription,
        ORGANIZATIONS,
        **ids,
        **own,
        stripe_id="'sub_' || n",
        status="case when n % 50 = 0 then 'trialing' when n % 50 = 1 then 'paused'"
        " else 'active' end",
    )
    clone(
        Invoice,
        ORGANIZATIONS,
        **ids,
        **own,
        stripe_id="'in_' || n",
        status="case when n % 50 = 0 then 'open' else 'paid' end",
        due_at="timestamptz '2026-12-01' - n * interval '1 hour'",
    )


def clone_histories() -> None:
    """As if each organization had been changed once in every table with history."""
    for model in histories():
        names = {field.name for field in model._meta.concrete_fields}
        columns = {"pgh_id": f"{FIRST} + n", "pgh_obj_id": f"{FIRST} + n"}
        if "organization" in names:
            columns["organization_id"] = f"{FIRST} + n"
        clone(model, ORGANIZATIONS, **columns)


def histories() -> list[type[Model]]:
    return [
        model
        for model in apps.get_models()
        if issubclass(model, Event) and model.objects.exists()
    ]


@dataclass(frozen=True)
class Fleet:
    """Who asks: a key of the white label, its person, and one who sees all."""

    label: WhiteLabel
    key: Client
    person: Client
    staff: Client
    big: frozenset[str]


@pytest.fixture(scope="module")
def fleet(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Fleet]:
    with django_db_blocker.unblock():
        with time_machine.travel(NOW, tick=False):
            label, other = make_white_label("acme"), make_white_label("other")
            make_fleet(label, other)
            text = make_key(label, "billing:read", "organizations:read", "usage:write")
            bound, staff = Client(), Client()
            bound.force_login(
                make_user("bo", "viewer", white_label=label, is_staff=False)
            )
            staff.force_login(make_user("ann", "viewer"))
        with connection.cursor() as cursor:
            cursor.execute("vacuum analyze")
        yield Fleet(
            label, Client(headers={"x-api-key": text}), bound, staff, big_tables()
        )
        with connection.cursor() as cursor:
            tables = [model._meta.db_table for model in histories()]
            alone = (
                DailyUsage,
                DailyMetric,
                UsageEvent,
                PendingUsage,
            )  # no foreign keys
            tables += [
                model._meta.db_table
                for model in (*alone, PendingFleetUsage, FleetTotal)
            ]
            cursor.execute(
                f"truncate orgs_whitelabel, orgs_user, {', '.join(tables)} cascade"
            )


def big_tables() -> frozenset[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class where relkind = 'r' and reltuples >= %s",
            [BIG],
        )
        return frozenset(name for (name,) in cursor.fetchall())


# --- how PostgreSQL ran it --------------------------------------------------------

_EXPLAIN = """
load 'auto_explain';
set auto_explain.log_min_duration = 0;
set auto_explain.log_analyze = on;
set auto_explain.log_timing = off;
set auto_explain.log_format = json;
set auto_explain.log_level = notice;
set auto_explain.log_nested_statements = on;
set client_min_messages = notice;
set seq_page_cost = {pages};
set plan_cache_mode = {mode}
"""
_QUIET = """
set auto_explain.log_min_duration = -1;
reset plan_cache_mode;
reset seq_page_cost
"""


@contextmanager
def explained(mode: str) -> Iterator[list[dict[str, Any]]]:
    """The plan of every statement that runs inside, as PostgreSQL itself notes it."""
    found: list[dict[str, Any]] = []

    def note(said: psycopg.errors.Diagnostic) -> None:
        _, is_plan, plan = (said.message_primary or "").partition("plan:\n")
        if is_plan:
            found.append(json.loads(plan))

    with connection.cursor() as cursor:
        cursor.execute(_EXPLAIN.format(mode=mode, pages=TIMES))
        connection.connection.add_notice_handler(note)
        try:
            yield found
            cursor.execute("select")  # the last prepared one is told of with the next
        finally:
            connection.connection.remove_notice_handler(note)
            cursor.execute(_QUIET)


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def check_plans(
    found: Sequence[Mapping[str, Any]],
    big: frozenset[str],
    *,
    reads: set[str],
    many: int = MANY,
) -> None:
    """None reads a big table whole, or most of it; `reads` says what it did read."""
    read: set[str] = set()
    for one in found:
        for node in nodes(one["Plan"]):
            table = node.get("Relation Name", "")
            read.add(table)
            whole = node["Node Type"] == "Seq Scan" or rows_read(node) > many
            told = f"{one['Query Text']}\n{shown(one['Plan'])}"
            assert table not in big or not whole, f"reads all of {table}:\n{told}"
    missing = {name for name in reads if not any(t.startswith(name) for t in read)}
    assert not missing, f"not read: {missing} of {sorted(read)}"


def rows_read(node: Mapping[str, Any]) -> int:
    """What it found and what it found in vain, all loops together."""
    counted = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return int(sum(node.get(name, 0) for name in counted) * node["Actual Loops"])


def shown(plan: Mapping[str, Any], depth: int = 0) -> str:
    """A plan as EXPLAIN prints it, nearly."""
    facts = (
        *("Relation Name", "Index Name", "Index Cond", "Filter"),
        *("Plan Rows", "Actual Rows", "Actual Loops"),
    )
    said = [f"{name}: {plan[name]}" for name in facts if name in plan]
    line = f"{'  ' * depth}{plan['Node Type']} {'; '.join(said)}"
    return "\n".join([line, *(shown(p, depth + 1) for p in plan.get("Plans", ()))])


# --- what is hot ------------------------------------------------------------------

LIST = "/organizations/"
PAGE = f"/organizations/{ONE}/"
COSTS = f"/api/v1/billing/costs/{ONE}"
YEAR = "from=2025-12-01&to=2026-12-01"
USAGE, METRIC = "metrics_dailyusage", "metrics_dailymetric"
ROWS, STANDING = "orgs_organization", "metrics_organizationranking"
SORTED_BY = {
    "cost": STANDING,
    "name": ROWS,
    "created": ROWS,
    "limit": "billing_limitranking",
}
SORTS = [sort for slug in SORTED_BY for sort in (slug, f"-{slug}")]


def get(client: Client, url: str) -> Any:
    response = client.get(url)
    assert response.status_code == 200, response.content[:500]
    return response


def send_events(fleet: Fleet) -> None:
    """New ones, one sent again, one changed, of three organizations and months."""
    sent = [
        event(f"new-{n}", organization=f"x-{7001 + 2 * (n % 3)}", project=f"p-{n % 2}",
              quantities={"requests": 5, "cpu_seconds": 3},
              timestamp=f"2026-{9 + n % 3:02}-20T10:00:00Z")
        for n in range(60)
    ]  # fmt: skip
    changed = {**sent[1], "quantities": {"requests": 6}}
    for batch in (sent, [sent[0], changed]):
        answer = fleet.key.post(
            "/api/v1/usage/events", orjson.dumps(batch), content_type="application/json"
        )
        assert answer.status_code == 200, answer.content
    assert answer.json()["duplicates"] == 1


def second_page(client: Client, sort: str) -> None:
    page = get(client, f"{LIST}?sort={sort}").content.decode()
    [cursor] = {part.split('"')[0] for part in page.split("cursor=")[1:]}
    get(client, f"{LIST}?sort={sort}&cursor={cursor}".replace("&amp;", "&"))


Call = Callable[[Fleet], object]


def asks(who: str, url: str) -> Call:
    """Somebody of the fleet, by name; `{owner}` is the white label's organization."""
    return lambda fleet: get(
        getattr(fleet, who), url.format(owner=fleet.label.owner_id)
    )


def turns_the_page(who: str, sort: str) -> Call:
    return lambda fleet: second_page(getattr(fleet, who), sort)


A = "/v1/api/organizations/{owner}/whitelabel"
# What is done, and tables that it must have read for the test to mean anything.
DOORS: dict[str, tuple[Call, set[str]]] = {
    "chart by day": (
        asks("key", f"{COSTS}/charts?{YEAR}"),
        {"orgs_apikey", ROWS, USAGE},
    ),
    "chart by month": (
        asks("key", f"{COSTS}/charts?{YEAR}&bucketing_strategy=monthly"),
        {USAGE},
    ),
    "cost items": (asks("key", f"{COSTS}/items?{YEAR}"), {USAGE}),
    "deployments": (asks("key", f"{COSTS}/deployments?{YEAR}"), {USAGE}),
    "contract A, one": (asks("key", f"{A}/organizations/{ONE}"), {METRIC, ROWS}),
    "contract A, list": (
        asks("key", f"{A}/organizations?limit=50&sort=-created"),
        {ROWS},
    ),
    "external id": (asks("key", "/api/v1/organizations?external_id=x-7001"), {ROWS}),
    "page: fleet, person": (asks("person", "/"), {STANDING, USAGE}),
    "page: fleet, staff": (asks("staff", "/"), {STANDING, USAGE}),
    "page: overview": (
        asks("staff", PAGE),
        {USAGE, METRIC, "metrics_openperiod", "billing_subscription"},
    ),
    "page: costs": (asks("staff", f"{PAGE}costs/"), {USAGE}),
    "page: usage": (asks("staff", f"{PAGE}usage/"), {USAGE, METRIC}),
    "page: billing": (asks("staff", f"{PAGE}billing/"), {"billing_invoice"}),
    "page: people": (asks("staff", f"{PAGE}people/"), {"orgs_member", "orgs_project"}),
    "page: history": (
        asks("staff", f"{PAGE}history/"),
        {"orgs_organizationevent", "billing_invoiceevent", "metrics_rateevent"},
    ),
    "recording": (
        send_events,
        {"metrics_openperiod", "metrics_usageevent", "metrics_rate"},
    ),
    "rankings": (
        lambda _: fill_rankings([ONE + n for n in range(100)]),
        {USAGE, STANDING},
    ),
    "limit standings": (
        lambda _: fill_limit_rankings([ONE + n for n in range(100)]),
        {USAGE, "billing_limitranking", "billing_spendinglimit"},
    ),
    "sweep of jobs": (lambda _: sweep_jobs(), {"orgs_job"}),
}
for _who in ("person", "staff"):
    for _sort in SORTS:
        DOORS[f"list by {_sort}, {_who}"] = (
            turns_the_page(_who, _sort),
            {
                *(ROWS, USAGE, SORTED_BY[_sort.removeprefix("-")]),
                *("billing_subscription", "billing_invoice"),
            },
        )
    for _text in ("company 7001", "pay7001@", "x-7001", "cus_7001", str(ONE)):
        DOORS[f"list: {_text}, {_who}"] = asks(_who, f"{LIST}?q={_text}"), {ROWS}
    for _state in ("trial", "unpaid", "paused", "deleted"):
        DOORS[f"list: {_state}, {_who}"] = asks(_who, f"{LIST}?state={_state}"), {ROWS}
# Its total is exact up to 10,000 by contract: so many are counted, by an index.
COUNTED = {"contract A, list": 10_001}


@pytest.mark.usefixtures("db", "frozen")
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("door", DOORS)
def test_no_hot_statement_reads_a_big_table_whole(
    fleet: Fleet, door: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the plan for these parameters, and with the one for any, once prepared."""
    monkeypatch.setattr(searching, "_NEAR", 100)  # as small a part as of a great fleet
    call, reads = DOORS[door]
    with explained(mode) as found:
        call(fleet)

    check_plans(found, fleet.big, reads=reads, many=COUNTED.get(door, MANY))


@pytest.mark.usefixtures("db", "frozen")
@pytest.mark.parametrize("who", ["person", "staff"])
@pytest.mark.parametrize("asked", ["", "&q=company"])
@pytest.mark.parametrize("sort", ["limit", "-limit"])
def test_a_page_far_among_equals_is_read_from_where_it_begins(
    fleet: Fleet, who: str, sort: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_NEAR", 100)
    client, url = getattr(fleet, who), f"{LIST}?sort={sort}{asked}"
    for _ in range(70):  # 1,000 of a white label's have a day, the rest none
        url = get(client, url).context["next_url"]
    with explained("force_custom_plan") as found:
        rows = get(client, url).context["rows"]

    assert not any(row.organization.limit_ranking.reached_on for row in rows)
    check_plans(found, fleet.big, reads={"billing_limitranking"}, many=500)
