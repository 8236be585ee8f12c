"""Downloads of tables: their rows, manifests, rights, and a link at every table."""

import csv
import hashlib
import io
import json
import re
import zipfile
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import resolve, reverse
from pytest_django import DjangoAssertNumQueries

from billing.exports import tasks
from billing.exports.commands.requests import start_export
from billing.exports.forms import caller_of, read_download
from billing.exports.queries import contents, fleet_tables
from billing.exports.queries.contents import read_content
from billing.exports.queries.downloads import Format
from billing.exports.queries.registry import TABLES
from billing.exports.queries.stored_files import iterate_csv
from billing.exports.queries.tables import Level
from billing.exports.schemas.responses import send
from billing.models import Export, Invoice, Subscription
from metrics.queries.periods import current_period
from orgs.models import Job, Organization, User, WhiteLabel
from tests.factories import (
    NOW,
    make_organization,
    make_organizations,
    make_user,
    make_white_label,
)
from tests.support.console import fill_console, fleet_urls, organization_urls
from tests.support.snapshots import snapshot

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("frozen"),
]
ORGANIZATION_TABLES = [
    slug for slug, table in TABLES.items() if Level.ORGANIZATION in table.levels
]
FLEET_TABLES = [slug for slug, table in TABLES.items() if Level.FLEET in table.levels]
LINE = "white_label=acme&product=unknown-model&meter=requests"
QUERIES = {"unpriced-organizations": LINE}


@pytest.fixture
@snapshot
def filled(org: Organization) -> Organization:
    fill_console(org)
    trial = make_organization(org.white_label, "trial")
    Subscription.objects.create(
        organization=trial,
        stripe_id="sub_trial",
        status="trialing",
        tier="scale",
        stripe_price_id="price_1",
        trial_ends_at=NOW + timedelta(days=5, hours=4),
    )
    return Organization.objects.select_related("white_label").get(pk=org.pk)


@pytest.fixture
def owner(filled: Organization) -> User:
    user = make_user("owner", "operator", white_label=filled.white_label)
    Export.objects.create(
        user=user,
        white_label_ids=[filled.white_label_id],
        table="invoices",
        title="Invoices",
        file_name="invoices.csv",
    )
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def client(owner: User) -> Client:
    return signed_in(owner)


def url(slug: str, organization: Organization | None = None, query: str = "") -> str:
    base = f"/organizations/{organization.pk}" if organization else ""
    query = query or QUERIES.get(slug, "")
    return f"{base}/tables/{slug}.csv?{query}"


def page_url(name: str, organization: Organization, query: str) -> str:
    return f"{reverse(name, args=[organization.pk])}?{query}"


def content(response: Any) -> bytes:
    assert response.status_code == 200, response.content
    return bytes(response.getvalue())


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


# --- every table ---------------------------------------------------------------------


def test_every_table_has_rows_and_a_true_manifest(
    owner: User, filled: Organization
) -> None:
    for slug in ORGANIZATION_TABLES:
        check_file(owner, slug, organization_id=filled.pk)
    for slug in FLEET_TABLES:
        check_file(owner, slug, organization_id=None)


def file_of(
    user: User, slug: str, organization_id: int | None, query: str, kind: Format
) -> bytes:
    """Return the file without a request: there are more than a hundred."""
    parameters = QueryDict(query)
    download = read_download(caller_of(user), slug, organization_id, parameters)
    rows = read_content(download)
    assert rows
    return content(send(download, rows, kind))


def check_file(user: User, slug: str, *, organization_id: int | None) -> None:
    query = QUERIES.get(slug, "")
    data = file_of(user, slug, organization_id, query, Format.CSV)
    sent = file_of(user, slug, organization_id, query, Format.MANIFEST)
    manifest, (header, *rows) = json.loads(sent), read_strictly(data)

    assert rows, slug
    assert manifest["rows"] == len(rows)
    assert manifest["sha256"] == hashlib.sha256(data).hexdigest()
    assert manifest["bytes"] == len(data)
    assert manifest["columns"] == header == list(TABLES[slug].columns)
    assert manifest["organization_id"] == organization_id
    assert manifest["time_zone"] == "UTC"
    assert manifest["currencies"] == ["usd"]
    query = f"{query}&for=excel"
    excel = file_of(user, slug, organization_id, query, Format.CSV)
    assert excel.startswith(MARK)
    assert [*map(shown_by_excel, read_strictly(excel[len(MARK) :]))] == [header, *rows]


def test_an_export_is_the_same_file(owner: User, filled: Organization) -> None:
    for slug, organization_id, query in (
        ("organizations", None, "columns=cost&columns=status&sort=-name&for=excel"),
        ("needs-action", None, "reason=payments"),
        ("api-keys", None, ""),
        ("history", None, "noise=1"),
        ("fleet-costs", None, "range=7d"),
        ("costs", filled.pk, "by=meter&range=7d"),
        ("cost-difference", filled.pk, ""),
        ("cost-lines", filled.pk, "product=gpt&period=1"),
        ("charges", filled.pk, "from=2026-01-01"),
    ):
        parameters = QueryDict(query)
        download = read_download(caller_of(owner), slug, organization_id, parameters)
        export = start_export(caller_of(owner).owner, download)
        tasks.write_export(export.pk)
        export.refresh_from_db()

        data = file_of(owner, slug, organization_id, query, Format.CSV)
        assert export.state == "done", (slug, export.error)
        assert b"".join(iterate_csv(export)) == data, slug
        assert export.manifest
        sent = file_of(owner, slug, organization_id, query, Format.MANIFEST)
        assert export.manifest == json.loads(sent) | {"rows_left_out": 0}


def test_a_large_list_of_reasons_is_not_read_by_a_request(
    client: Client, filled: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "MAX_ROWS", 1)
    with monkeypatch.context() as patch:
        patch.setattr(fleet_tables, "find_needs", None)
        answer = client.get("/needs-action.csv")
    assert answer.status_code == 303

    export = Export.objects.latest("pk")
    tasks.write_export(export.pk)

    export.refresh_from_db()
    assert export.state == "done"
    assert export.rows == export.rows_total > 1  # type: ignore[operator]


MARK = b"\xef\xbb\xbf"
FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)')


def read_strictly(data: bytes) -> list[list[str]]:
    """Read CSV as RFC 4180 has it: every record ends with CRLF and is equally long."""
    text, at = data.decode("utf-8"), 0
    records: list[list[str]] = [[]]
    while at < len(text):
        field = FIELD.match(text, at)
        assert field, text[at : at + 80]
        quoted, plain, end = field.groups()
        records[-1].append(plain if quoted is None else quoted.replace('""', '"'))
        records += [[]] if end == "\r\n" else []
        at = field.end()
    assert records.pop() == []
    assert len({len(record) for record in records}) == 1
    return records


def shown_by_excel(record: list[str]) -> list[str]:
    """Return the cells as Excel shows them: the text of a formula, not the formula."""
    return [
        cell[2:-1].replace('""', '"') if cell.startswith('="') else cell
        for cell in record
    ]


def test_a_file_is_the_same_alone_and_in_an_archive(
    client: Client, filled: Organization
) -> None:
    for slug in ("invoices", "costs", "cost-lines"):
        address = url(slug, filled)
        packed = content(client.get(f"{address}&format=zip"))
        archive = zipfile.ZipFile(io.BytesIO(packed))
        manifest = content(client.get(f"{address}&format=manifest"))

        assert archive.read(f"{slug}-{filled.pk}.csv") == content(client.get(address))
        assert archive.read("manifest.json") == manifest


def test_tables_of_an_organization_are_read_only_by_those_who_may(
    filled: Organization,
) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    stranger = signed_in(make_user("stranger", "operator", white_label=decoy))
    roleless = signed_in(make_user("roleless", white_label=filled.white_label))

    for slug in ORGANIZATION_TABLES:
        address = url(slug, filled)
        assert stranger.get(address).status_code == 404, slug
        assert roleless.get(address).status_code == 403, slug
        assert Client().get(address).status_code == 302, slug


def test_tables_of_the_fleet_have_only_rows_of_visible_organizations(
    filled: Organization,
) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    stranger = signed_in(make_user("stranger", "operator", white_label=decoy))
    roleless = signed_in(make_user("roleless", white_label=filled.white_label))

    for slug in FLEET_TABLES:
        assert roleless.get(url(slug)).status_code == 403, slug
        answer = stranger.get(url(slug))
        if "white_label" in QUERIES.get(slug, ""):
            assert answer.status_code == 404
            continue
        text = content(answer).decode()
        owners = [row.get("organization_id") for row in rows_of_text(text)]
        assert str(filled.pk) not in owners, slug
        assert "acme" not in text, slug


def rows_of_text(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_api_keys_have_no_secrets_and_need_their_permission(
    client: Client, filled: Organization
) -> None:
    viewer = make_user("viewer", "viewer", white_label=filled.white_label)

    [row] = rows_of(content(client.get(url("api-keys"))))

    assert signed_in(viewer).get(url("api-keys")).status_code == 403
    assert len(row["start"]) <= 16
    assert not {"key", "key_hash", "hash", "secret"} & row.keys()


# --- figures -------------------------------------------------------------------------


def test_amounts_are_exact_and_instants_in_the_zone_of_the_white_label(
    client: Client, filled: Organization
) -> None:
    WhiteLabel.objects.filter(pk=filled.white_label_id).update(
        time_zone="Europe/Zurich"
    )

    [invoice] = rows_of(content(client.get(url("invoices", filled))))
    opened, closed = rows_of(content(client.get(url("periods", filled))))

    assert invoice["owed"] == "64.05"
    assert invoice["issued_at"].endswith("+01:00")
    assert (opened["state"], opened["cost_is"]) == ("open", "estimate")
    assert Decimal(opened["cost"]) == current_period(filled.pk).cost.cost > 0
    assert (closed["state"], closed["cost_is"]) == ("closed", "invoiced")


def test_a_manifest_states_whether_amounts_are_final(
    client: Client, filled: Organization
) -> None:
    def amounts(query: str) -> str:
        answer = client.get(url("costs", filled, f"{query}&format=manifest"))
        return str(json.loads(content(answer))["amounts"])

    assert amounts("range=7d") == "mixed"  # the period was closed at noon
    assert amounts("from=2026-10-01&through=2026-10-31") == "invoiced"
    assert amounts("from=2026-11-22&through=2026-11-23") == "estimate"


def test_rows_are_selected_by_a_range_in_the_zone(
    client: Client, filled: Organization
) -> None:
    day = (NOW.date()).isoformat()

    before = rows_of(content(client.get(url("invoices", filled, f"from={day}"))))
    manifest = json.loads(
        content(client.get(url("invoices", filled, f"to={day}&format=manifest")))
    )

    assert before == []
    assert manifest["rows"] == 1
    assert manifest["range"] == {"from": None, "to": f"{day}T00:00:00+00:00"}
    assert manifest["parameters"] == {"to": day}


def test_cost_lines_are_those_of_the_page_and_add_up(
    client: Client, filled: Organization
) -> None:
    chosen = "product=gpt&from=2026-10-01&through=2026-11-21"
    lines = rows_of(content(client.get(url("cost-lines", filled, chosen))))
    days = rows_of(content(client.get(url("costs", filled, chosen[12:]))))
    page = client.get(page_url("billing:cost_lines", filled, chosen))

    assert sum(Decimal(line["cost"]) for line in lines) == page.context["cost"]
    assert page.context["cost"] == sum(
        Decimal(day["cost"]) for day in days if day["product"] == "gpt"
    )
    assert [line["day"] for line in lines] == sorted(
        (line["day"] for line in lines), reverse=True
    )
    assert {line["price_unit"] for line in lines} == {"1,000 requests"}
    assert {Decimal(line["unit_price"]) for line in lines} == {Decimal("12.3")}
    period = rows_of(content(client.get(url("cost-lines", filled, "period=1"))))
    assert period
    unpriced = [line for line in period if line["product"] == "unknown-model"]
    assert {line["cost"] for line in unpriced} == {""}  # not 0


def test_events_of_a_day_are_those_of_the_page(
    client: Client, filled: Organization
) -> None:
    chosen = f"day={NOW.date()}&q=gpt-"
    rows = rows_of(content(client.get(url("day-events", filled, chosen))))
    page = client.get(page_url("billing:day_events", filled, chosen))

    listed = [event.event_id for event in page.context["events"]]
    assert [row["event_id"] for row in rows] == listed
    assert {row["quantities"] for row in rows} == {"requests=1000"}


def test_no_table_is_cut(client: Client, filled: Organization) -> None:
    Job.objects.bulk_create(
        Job(organization=filled, kind="usage_report", state="failed", finished_at=NOW)
        for _ in range(101)
    )
    lines = [{"external_id": f"more-{number}"} for number in range(51)]
    make_organizations(filled.white_label, lines)
    others = Organization.objects.filter(white_label=filled.white_label)
    Subscription.objects.bulk_create(
        Subscription(
            organization=other,
            stripe_id=f"sub_more_{other.pk}",
            status="trialing",
            tier="scale",
            stripe_price_id="price_1",
            trial_ends_at=NOW + timedelta(days=5),
        )
        for other in others.filter(subscriptions=None)
    )

    def count(
        slug: str, organization: Organization | None = None, query: str = ""
    ) -> int:
        return len(rows_of(content(client.get(url(slug, organization, query)))))

    assert count("failed-jobs") > 100
    assert count("trials-ending") > 50
    assert count("metrics", filled, "from=2024-11-22&through=2026-11-21") == 730


BAD = [
    ("invoices", "form=2026-01-01", "form"),
    ("invoices", "from=yesterday", "from"),
    ("invoices", "from=9999-12-31", "from"),
    ("invoices", "from=2026-02-01&to=2026-01-01", "to"),
    ("invoices", "status=lost", "status"),
    ("invoices", "format=xlsx", "format"),
    ("invoices", "status=%00", "NUL"),
    ("day-events", "q=a%00", "NUL"),
    ("cost-lines", "product=%00", "NUL"),
    ("invoices", "for=numbers", "for"),
    ("invoices", "range=7d", "range"),
    ("members", "status=open", "status"),
    ("discrepancies", "resolved=maybe", "resolved"),
    ("webhook-events", "state=lost", "state"),
    ("alerts", "state=lost", "state"),
    ("charge-decisions", "charge=x", "charge"),
    ("costs", "range=7y", "range"),
    ("metrics", "from=x&through=y", "from"),
    ("cost-lines", "from=x&through=y", "from"),
    ("cost-lines", "period=x", "period"),
    ("cost-lines", "page=2", "page"),
    ("day-events", "day=x", "day"),
    ("day-events", "project=x", "project"),
    ("history", "kind=lost", "kind"),
    ("history", "noise=2", "noise"),
    ("history", "from=2026-11-02&to=2026-11-01", "to"),
]


def test_a_bad_parameter_is_refused(client: Client, filled: Organization) -> None:
    for slug, query, field in BAD:
        answer = client.get(url(slug, filled, query))
        assert answer.status_code == 400, (slug, query)
        assert field in answer.content.decode()


def test_what_does_not_exist_is_not_found(client: Client, filled: Organization) -> None:
    for slug, query in [
        ("nothing", ""),
        ("api-keys", ""),  # of the fleet only
        ("reconciliation", "period=99"),
        ("reconciliation", "period=x"),
        ("discrepancies", "run=999999"),
        ("cost-lines", "period=99"),
    ]:
        assert client.get(url(slug, filled, query)).status_code == 404, slug


def test_names_that_look_like_formulas_are_harmless(
    client: Client, filled: Organization
) -> None:
    filled.members.filter(external_id="ann").update(name="=1+2")

    rows = rows_of(content(client.get(url("members", filled))))
    excel = content(client.get(url("members", filled, "for=excel")))

    assert [row["name"] for row in rows] == ["'=1+2", ""]
    assert excel.startswith(b"\xef\xbb\xbf")


def test_the_number_of_queries_does_not_grow_with_the_rows(
    client: Client,
    filled: Organization,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    Invoice.objects.bulk_create(
        Invoice(
            organization=filled,
            stripe_id=f"in_more_{number}",
            status="paid",
            currency="usd",
            total=number,
            amount_due=number,
            issued_at=NOW,
        )
        for number in range(900)
    )

    with django_assert_max_num_queries(12):
        rows = rows_of(content(client.get(url("invoices"))))

    assert len(rows) == 901


# --- pages ---------------------------------------------------------------------------


class _Tables(HTMLParser):
    """The data tables of a page, and the tables that its links download."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[str] = []
        self.links: dict[str, str] = {}
        self._regions: list[str] = [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        classes = (given.get("class") or "").split()
        if given.get("role") == "region":
            self._regions.append(given.get("aria-label") or "")
        if tag == "table" and "table" in classes:
            self.tables.append(self._regions[-1])
        if tag == "a" and "data-csv" in given:
            self.links[given["data-csv"] or ""] = given["href"] or ""


# The links that a page has for each of its tables, by the name of the table's region.
LINKS = {
    "Terms of the difference": "cost-difference",
    "Difference by product": "cost-difference",
    "Refused access": "refusals",
    "Lines of the estimated invoice": "estimated-invoice",
    "Other invoices": "estimated-invoice",
    "Recent days": "usage",
    "Daily metrics": "metrics",
    "Cost by product": "cost-shares",
    "Invoices": "invoices",
    "Credit notes, refunds, and disputes": "adjustments",
    "Credit ledger": "credits",
    "Discrepancies with Stripe": "discrepancies",
    "Discrepancies found": "discrepancies",
    "Warnings": "discrepancies",
    "Could not be read": "discrepancies",
    "Status of other alerts": "alert-status",
    "Members": "members",
    "Projects": "projects",
    "Reconciliation": "reconciliation",
    "Quantities": "period-quantities",
    "Breakdown by product": "period-products",
    "Periods": "periods",
    "Decisions": "charge-decisions",
    "Organizations": "organizations",
    "Largest organizations": "organizations",
    "Usage without a price": "unpriced",
    "All usage without a price": "unpriced",
    "Organizations that need action": "needs-action",
    "Trials ending": "trials-ending",
    "Usage by meter": "fleet-usage",
    "Alerts": "alerts",
    "Sync runs": "sync-runs",
    "Events": "webhook-events",
    "Failed jobs": "failed-jobs",
    "Keys": "api-keys",
    "Exports": "exports",
    "Changes": "history",
    "Cost lines": "cost-lines",
    "Usage events": "day-events",
}


def link_of(region: str, page: str) -> str:
    if region.startswith("Payable cost"):
        return "costs"
    if region.endswith(", table"):  # the twin of a chart
        if not region.startswith("Cost"):
            return "usage" if "Stor" not in region else "metrics"
        return "costs" if "/organizations/" in page else "fleet-costs"
    if region == "Cost by product" and "/organizations/" not in page:
        return "fleet-costs"
    if region == "Organizations" and "/unpriced/" in page:
        return "unpriced-organizations"
    return LINKS[region]


def check_link(user: User, link: str) -> None:
    """Fail unless the table takes the parameters of a link; its rows are not read."""
    path, _, query = link.partition("?")
    match = resolve(path)
    slug = match.kwargs.get("table") or SLUGS[match.url_name]
    organization_id = match.kwargs.get("organization_id")
    read_download(caller_of(user), slug, organization_id, QueryDict(query))


SLUGS: dict[str | None, str] = {
    "organization_csv": "organizations",
    "needs_action_csv": "needs-action",
}


def test_every_page_with_a_table_offers_it_as_csv(
    client: Client, owner: User, filled: Organization
) -> None:
    seen: set[str] = set()
    for page in (*organization_urls(filled), *fleet_urls(filled)):
        answer = client.get(page)
        assert answer.status_code == 200, page
        parsed = _Tables()
        parsed.feed(answer.content.decode())
        for region in parsed.tables:
            assert link_of(region, page) in parsed.links, (page, region)
        for link in {*parsed.links.values()} - seen:
            check_link(owner, link)
        seen |= {*parsed.links.values()}

    assert len(seen) > 25


def test_a_link_keeps_the_range_and_the_filters_of_its_page(
    client: Client, filled: Organization
) -> None:
    page = f"/organizations/{filled.pk}/costs/?range=7d"
    parsed = _Tables()
    parsed.feed(client.get(page).content.decode())

    assert "range=7d" in parsed.links["costs"]
    assert "for=excel" in parsed.links["costs"]


def test_white_labels_of_two_zones_are_read_in_utc(filled: Organization) -> None:
    other = make_white_label("zurich", time_zone="Europe/Zurich", currency="eur")
    make_organization(other, "org-1")
    client = signed_in(make_user("root", "operator"))

    both = json.loads(content(client.get(url("invoices", query="format=manifest"))))
    one = json.loads(
        content(client.get(url("invoices", query="white_label=zurich&format=manifest")))
    )

    assert (both["time_zone"], both["currencies"]) == ("UTC", ["eur", "usd"])
    assert (one["time_zone"], one["currencies"]) == ("Europe/Zurich", ["eur"])
    assert one["rows"] == 0
