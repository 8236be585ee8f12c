"""Query plans of the most frequent requests: none reads most of a large table.

auto_explain reports the plans of the statements that the product really sends, with
their parameters. With ten thousand organizations and a higher cost of sequential reads,
the planner chooses as it does with millions of them. The rows it read are counted.
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

from billing.console.queries import organization_list
from billing.console.queries.organization_list import fleet_page
from billing.forecast.commands.limit_rankings import fill_limit_rankings
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
LARGE_TABLE_ROWS = 5_000  # no frequent request may scan a table of this size
# Sequential reads cost as if each table were this many times as large.
SEQ_PAGE_COST = 20
MAX_ROWS_READ = 2_500  # a page of fifty or a batch of hundreds reads fewer
FIRST = 1_000_000  # cloned ids are above those from sequences
REQUESTED = FIRST + 7_001  # the organization that requests name
WHITE_LABEL_OF = "(select white_label_id from orgs_organization o where o.id = {} + n)"


def clone(model: type[Model], count: int, **columns: str) -> None:
    """Insert `count` copies of the newest row, with these columns changed.

    `columns` are SQL expressions over `n`, the number of the copy.
    """
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
    """Create an organization with a row in every table, through the commands."""
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
        # Without triggers: histories are cloned, too.
        cursor.execute("set session_replication_role = replica")
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
    same_id = {"organization_id": f"{FIRST} + n"}
    spread = {"organization_id": f"{FIRST} + 1 + n % {ORGANIZATIONS}"}
    clone(Entitlements, ORGANIZATIONS, **same_id)
    clone(Member, 2 * ORGANIZATIONS, **ids, **spread, external_id="'u-' || n",
          email="'u' || n || '@example.com'")  # fmt: skip
    clone(Project, 2 * ORGANIZATIONS, **ids, **spread, external_id="'p-' || n")
    clone(Job, ORGANIZATIONS, **ids, **same_id)
    clone(ApiKey, ORGANIZATIONS, **ids, **same_id, key_hash="sha256(n::text::bytea)")


def clone_usage() -> None:
    """Clone usage of every fourth day of a month, and events of three months."""
    same_id = {"organization_id": f"{FIRST} + n"}
    spread = {"organization_id": f"{FIRST} + 1 + n % {ORGANIZATIONS}"}
    day = f"date '2026-11-21' - (n / {ORGANIZATIONS}) * 4"
    at = f"timestamptz '2026-11-21' - (n / {ORGANIZATIONS}) * interval '30 days'"
    clone(OpenPeriod, ORGANIZATIONS, **same_id)
    clone(
        OrganizationRanking,
        ORGANIZATIONS,
        **same_id,
        cost_30_days="n * 7919 % 1000003",
        white_label_id=WHITE_LABEL_OF.format(FIRST),
    )
    clone(Rate, ORGANIZATIONS, id=f"{FIRST} + n", **same_id)
    clone(DailyUsage, 8 * ORGANIZATIONS - 1, **spread, day=day)
    clone(DailyMetric, 8 * ORGANIZATIONS - 1, **spread, day=day)
    clone(UsageEvent, 3 * ORGANIZATIONS - 1, **spread, at=at, event_id="'e-' || n")


def clone_money() -> None:
    ids = {"id": f"{FIRST} + n"}
    same_id = {"organization_id": f"{FIRST} + n"}
    clone(BillingPeriod, ORGANIZATIONS, **ids, **same_id)
    clone(BillingAccount, ORGANIZATIONS, **same_id, stripe_id="'cus_' || n")
    clone(SpendingLimit, ORGANIZATIONS, **ids, **same_id)
    # Two of ten reach their limit on some day; the others have equal sort keys.
    clone(
        LimitRanking,
        ORGANIZATIONS,
        **same_id,
        white_label_id=WHITE_LABEL_OF.format(FIRST),
        reached_on="case when n % 10 < 2 then date '2026-11-21' + n % 365 end",
    )
    clone(
        Subscription,
        ORGANIZATIONS,
        **ids,
        **same_id,
        stripe_id="'sub_' || n",
        status="case when n % 50 = 0 then 'trialing' when n % 50 = 1 then 'paused'"
        " else 'active' end",
    )
    clone(
        Invoice,
        ORGANIZATIONS,
        **ids,
        **same_id,
        stripe_id="'in_' || n",
        status="case when n % 50 = 0 then 'open' else 'paid' end",
        due_at="timestamptz '2026-12-01' - n * interval '1 hour'",
        collection_method="'send_invoice'",
        amount_remaining="10",
    )


def clone_histories() -> None:
    """Clone one version of each organization into every history table."""
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
    """Clients of a large fleet: a key, a white-label admin, and a staff member."""

    label: WhiteLabel
    key: Client
    admin: Client
    staff: Client
    large_tables: frozenset[str]


@pytest.fixture(scope="module")
def fleet(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Fleet]:
    with django_db_blocker.unblock():
        with time_machine.travel(NOW, tick=False):
            label, other = make_white_label("acme"), make_white_label("other")
            make_fleet(label, other)
            key = make_key(label, "billing:read", "organizations:read", "usage:write")
            admin, staff = Client(), Client()
            admin.force_login(
                make_user("bo", "viewer", white_label=label, is_staff=False)
            )
            staff.force_login(make_user("ann", "viewer"))
        with connection.cursor() as cursor:
            cursor.execute("vacuum analyze")
        yield Fleet(
            label, Client(headers={"x-api-key": key}), admin, staff, large_tables()
        )
        with connection.cursor() as cursor:
            tables = [model._meta.db_table for model in histories()]
            without_foreign_keys = (
                DailyUsage,
                DailyMetric,
                UsageEvent,
                PendingUsage,
            )
            tables += [
                model._meta.db_table
                for model in (*without_foreign_keys, PendingFleetUsage, FleetTotal)
            ]
            cursor.execute(
                "truncate orgs_whitelabel, orgs_user, orgs_searchword,"
                f" {', '.join(tables)} cascade"
            )


def large_tables() -> frozenset[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class where relkind = 'r' and reltuples >= %s",
            [LARGE_TABLE_ROWS],
        )
        return frozenset(name for (name,) in cursor.fetchall())


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
    """Collect the plan of every statement that runs in the context.

    `mode` is PostgreSQL's `plan_cache_mode`.
    """
    plans: list[dict[str, Any]] = []

    def collect(notice: psycopg.errors.Diagnostic) -> None:
        _, is_plan, plan = (notice.message_primary or "").partition("plan:\n")
        if is_plan:
            plans.append(json.loads(plan))

    with connection.cursor() as cursor:
        cursor.execute(_EXPLAIN.format(mode=mode, pages=SEQ_PAGE_COST))
        connection.connection.add_notice_handler(collect)
        try:
            yield plans
            # The notice of a prepared statement arrives with the next statement.
            cursor.execute("select")
        finally:
            connection.connection.remove_notice_handler(collect)
            cursor.execute(_QUIET)


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def check_plans(
    plans: Sequence[Mapping[str, Any]],
    large_tables: frozenset[str],
    *,
    reads: set[str],
    max_rows: int = MAX_ROWS_READ,
) -> None:
    """Assert that no plan scans a large table, and that all tables of `reads` are read.

    The second check proves that the request did what the test is about.
    """
    tables: set[str] = set()
    for plan in plans:
        for node in nodes(plan["Plan"]):
            table = node.get("Relation Name", "")
            tables.add(table)
            is_scan = node["Node Type"] == "Seq Scan" or rows_read(node) > max_rows
            if table in large_tables and is_scan:
                text = f"{plan['Query Text']}\n{plan_text(plan['Plan'])}"
                pytest.fail(f"scans {table}:\n{text}")
    missing = {name for name in reads if not any(t.startswith(name) for t in tables)}
    assert not missing, f"not read: {missing} of {sorted(tables)}"


def rows_read(node: Mapping[str, Any]) -> int:
    """Return the rows that a node read in all its loops, matching or not."""
    counters = (
        "Actual Rows",
        "Rows Removed by Filter",
        "Rows Removed by Index Recheck",
    )
    return int(sum(node.get(name, 0) for name in counters) * node["Actual Loops"])


def plan_text(plan: Mapping[str, Any], depth: int = 0) -> str:
    """Return a plan as indented text, much as EXPLAIN prints it."""
    facts = (
        *("Relation Name", "Index Name", "Index Cond", "Filter"),
        *("Plan Rows", "Actual Rows", "Actual Loops"),
    )
    details = [f"{name}: {plan[name]}" for name in facts if name in plan]
    line = f"{'  ' * depth}{plan['Node Type']} {'; '.join(details)}"
    return "\n".join([line, *(plan_text(p, depth + 1) for p in plan.get("Plans", ()))])


LIST = "/organizations/"
PAGE = f"/organizations/{REQUESTED}/"
COSTS = f"/api/v1/billing/costs/{REQUESTED}"
YEAR = "from=2025-12-01&to=2026-12-01"
USAGE, METRIC = "metrics_dailyusage", "metrics_dailymetric"
ORGANIZATION_TABLE, RANKING = "orgs_organization", "metrics_organizationranking"
SORTED_BY = {
    "cost": RANKING,
    "name": ORGANIZATION_TABLE,
    "created": ORGANIZATION_TABLE,
    "limit": "billing_limitranking",
    "growth": RANKING,
    "entitlement": "billing_limitranking",
}
SORTS = [sort for slug in SORTED_BY for sort in (slug, f"-{slug}")]


def get(client: Client, url: str) -> Any:
    response = client.get(url)
    assert response.status_code == 200, response.content[:500]
    return response


def send_events(fleet: Fleet) -> None:
    """Report new events of three organizations and months, a duplicate, a conflict."""
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


Request = Callable[[Fleet], object]


@contextmanager
def without_rows() -> Iterator[None]:
    """Let the list select its organizations, and not read the numbers of each.

    Those are read by their IDs, whatever selects and sorts them: it is enough to look
    at one list's.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(organization_list, "_build_rows", lambda _, **options: [])
        yield


def second_page(client: Client, sort: str) -> None:
    with without_rows():
        url = get(client, f"{LIST}?sort={sort}").context["next_url"]
    if sort == "cost":
        get(client, url)
        return
    with without_rows():
        get(client, url)


def list_as(client: str, query: str) -> Request:
    def request(fleet: Fleet) -> None:
        with without_rows():
            get(getattr(fleet, client), f"{LIST}?{query}")

    return request


def request_as(client: str, url: str) -> Request:
    """Return a request by a client of `Fleet`.

    `{owner}` in the URL is the id of the white label's owner.
    """
    return lambda fleet: get(
        getattr(fleet, client), url.format(owner=fleet.label.owner_id)
    )


def second_page_as(client: str, sort: str) -> Request:
    return lambda fleet: second_page(getattr(fleet, client), sort)


A = "/v1/api/organizations/{owner}/whitelabel"
# Each request, and tables that it must read for the test to be meaningful.
REQUESTS: dict[str, tuple[Request, set[str]]] = {
    "chart by day": (
        request_as("key", f"{COSTS}/charts?{YEAR}"),
        {"orgs_apikey", ORGANIZATION_TABLE, USAGE},
    ),
    "chart by month": (
        request_as("key", f"{COSTS}/charts?{YEAR}&bucketing_strategy=monthly"),
        {USAGE},
    ),
    "cost items": (request_as("key", f"{COSTS}/items?{YEAR}"), {USAGE}),
    "deployments": (request_as("key", f"{COSTS}/deployments?{YEAR}"), {USAGE}),
    "contract A, one": (
        request_as("key", f"{A}/organizations/{REQUESTED}"),
        {METRIC, ORGANIZATION_TABLE},
    ),
    "contract A, list": (
        request_as("key", f"{A}/organizations?limit=50&sort=-created"),
        {ORGANIZATION_TABLE},
    ),
    "list of invoices": (
        request_as("key", "/api/v1/invoices?limit=50"),
        {"billing_invoice"},
    ),
    "recorded events": (
        request_as("key", "/api/v1/usage/events?organization=x-7001"),
        {"metrics_usageevent"},
    ),
    "external id": (
        request_as("key", "/api/v1/organizations?external_id=x-7001"),
        {ORGANIZATION_TABLE},
    ),
    "page: fleet, admin": (request_as("admin", "/"), {RANKING, USAGE}),
    "page: fleet, staff": (request_as("staff", "/"), {RANKING, USAGE}),
    "page: overview": (
        request_as("staff", PAGE),
        {USAGE, METRIC, "metrics_openperiod", "billing_subscription"},
    ),
    "page: costs": (request_as("staff", f"{PAGE}costs/"), {USAGE}),
    "page: usage": (request_as("staff", f"{PAGE}usage/"), {USAGE, METRIC}),
    "page: billing": (request_as("staff", f"{PAGE}billing/"), {"billing_invoice"}),
    "page: people": (
        request_as("staff", f"{PAGE}people/"),
        {"orgs_member", "orgs_project"},
    ),
    "page: history": (
        request_as("staff", f"{PAGE}history/"),
        {"orgs_organizationevent", "billing_invoiceevent", "metrics_rateevent"},
    ),
    "page: needs action": (
        request_as("admin", "/needs-action/"),
        {"billing_subscription", "billing_invoice", "orgs_organization"},
    ),
    "list of reasons": (
        request_as("staff", f"{LIST}?reason=limits,payments"),
        {"billing_usagereason", "billing_invoice"},
    ),
    "search: two names": (
        request_as("admin", "/search/?q=company+7001"),
        {ORGANIZATION_TABLE, "orgs_member"},
    ),
    "search: misspelled": (
        request_as("staff", "/search/?q=compnay+7001"),
        {ORGANIZATION_TABLE, "orgs_searchword"},
    ),
    "search: short words": (request_as("staff", "/search/?q=co+7"), {"orgs_project"}),
    "recording": (
        send_events,
        {"metrics_openperiod", "metrics_usageevent", "metrics_rate"},
    ),
    "rankings": (
        lambda _: fill_rankings([REQUESTED + n for n in range(100)]),
        {USAGE, RANKING},
    ),
    "limit rankings": (
        lambda _: fill_limit_rankings([REQUESTED + n for n in range(100)]),
        {USAGE, "billing_limitranking", "billing_spendinglimit"},
    ),
    "sweep of jobs": (lambda _: sweep_jobs(), {"orgs_job"}),
}
ROW_TABLES = USAGE, "billing_subscription", "billing_invoice"
for _client in ("admin", "staff"):
    for _sort in SORTS:
        REQUESTS[f"list by {_sort}, {_client}"] = (
            second_page_as(_client, _sort),
            {
                *(ORGANIZATION_TABLE, SORTED_BY[_sort.removeprefix("-")]),
                *(ROW_TABLES if _sort == "cost" else ()),
            },
        )
    for _text in ("company 7001", "pay7001@", "x-7001", "cus_7001", str(REQUESTED)):
        REQUESTS[f"list: {_text}, {_client}"] = (
            list_as(_client, f"q={_text}"),
            {ORGANIZATION_TABLE},
        )
    for _state in ("trial", "unpaid", "paused", "deleted"):
        REQUESTS[f"list: {_state}, {_client}"] = (
            list_as(_client, f"state={_state}"),
            {ORGANIZATION_TABLE},
        )
# The total of this list is exact up to 10,000: so many rows are counted by an index.
MAX_ROWS_OF = {"contract A, list": 10_001}


@pytest.mark.slow
@pytest.mark.usefixtures("db", "frozen")
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", REQUESTS)
def test_no_frequent_request_scans_a_large_table(
    fleet: Fleet, name: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check custom plans for the parameters, and generic plans once prepared."""
    # As small a part of this fleet as the real number is of a large one.
    monkeypatch.setattr(searching, "_SCAN_ROWS", 100)
    request, reads = REQUESTS[name]
    with explained(mode) as plans:
        request(fleet)

    max_rows = MAX_ROWS_OF.get(name, MAX_ROWS_READ)
    check_plans(plans, fleet.large_tables, reads=reads, max_rows=max_rows)


def late_page(client: Client, url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address after 3,500 organizations, of which 1,000 reach a limit.

    A first page of so many leads there; its rows are not made.
    """
    with monkeypatch.context() as patch:
        patch.setattr(fleet_page, "__kwdefaults__", {"size": 3_500})
        with without_rows():
            return str(get(client, url).context["next_url"])


@pytest.mark.slow
@pytest.mark.usefixtures("db", "frozen")
@pytest.mark.parametrize("client_name", ["admin", "staff"])
@pytest.mark.parametrize("search", ["", "&q=company"])
@pytest.mark.parametrize("sort", ["limit", "-limit"])
def test_late_page_of_equal_sort_keys_reads_only_its_rows(
    fleet: Fleet,
    client_name: str,
    sort: str,
    search: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(searching, "_SCAN_ROWS", 100)
    client = getattr(fleet, client_name)
    url = late_page(client, f"{LIST}?sort={sort}{search}", monkeypatch)
    with explained("force_custom_plan") as plans:
        rows = get(client, url).context["rows"]

    assert not any(row.organization.limit_ranking.reached_on for row in rows)
    check_plans(plans, fleet.large_tables, reads={"billing_limitranking"}, max_rows=500)
