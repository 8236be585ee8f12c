# ruff: noqa: RUF001  the characters are the point
"""Text is stored in one normal form, and found without case and accents."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from django.test import Client

from metrics.events import parse_all, parse_event
from metrics.models import Rate, UsageEvent
from orgs.errors import InputRejected
from orgs.models import Member, Organization, Project, WhiteLabel
from orgs.models.search import SearchKey
from orgs.queries.searching import search_organizations
from tests.factories import (
    event,
    make_key,
    make_organization,
    make_organizations,
    make_user,
    make_white_label,
    record,
)
from tests.support.loading import Load, lines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
COMPOSED = "Café Zürich"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
NAMES = [
    "İstanbul Veri A.Ş.",
    "Café Noir",
    "Cafe\u0301 NFD",
    "Österreich GmbH",
    "Straße KG",
    "GROẞE STRAẞE",
    "Łódź Þór Ærø Œuvre Đorđe",
    "ΣΊΣΥΦΟΣ Α.Ε.",
    "Москва Ёлка Йод",
    "ﬁrst Ｆｕｌｌ Width",
    "IIısık",
    "100%_off\\",
    "株式会社ガンダム",
    "주식회사 한국",
    "Zero\u200bWidth Soft\u00adHyphen",
    "No\u00a0Break",
]


@pytest.fixture
def named(acme: WhiteLabel) -> WhiteLabel:
    rows = [{"external_id": f"n-{n}", "name": name} for n, name in enumerate(NAMES)]
    make_organizations(acme, rows)
    return acme


def find(white_label: WhiteLabel, text: str) -> set[str]:
    rows = search_organizations(
        Organization.objects.filter(white_label=white_label), text
    )
    return {row.external_id for row in rows}


@pytest.mark.parametrize("change", [str, str.upper, str.lower, str.casefold, str.title])
def test_a_name_as_it_is_shown_finds_its_organization(
    named: WhiteLabel, change: Callable[[str], str]
) -> None:
    for number, name in enumerate(NAMES):
        assert f"n-{number}" in find(named, change(name)), name


def test_every_normal_form_of_a_name_finds_its_organization(named: WhiteLabel) -> None:
    for number, name in enumerate(NAMES):
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            text = unicodedata.normalize(form, name)
            assert f"n-{number}" in find(named, text), (form, name)


def test_text_is_found_without_its_accents(named: WhiteLabel) -> None:
    for text, number in (
        ("istanbul", 0),
        ("İSTANBUL", 0),
        ("ISTANBUL A.S.", 0),
        ("cafe", 1),
        ("cafe nfd", 2),
        ("osterreich", 3),
        ("strasse", 4),
        ("STRASSE", 4),
        ("straße", 5),
        ("grosse", 5),
        ("lodz thor aero oeuvre dorde", 6),
        ("σισυφος", 7),
        ("елка", 8),
        ("first full", 9),
        ("isik", 10),
        ("100%_off", 11),
        ("zerowidth softhyphen", 14),
        ("no break", 15),
    ):
        assert f"n-{number}" in find(named, text), text


def test_patterns_match_only_themselves(named: WhiteLabel) -> None:
    assert find(named, "%") == find(named, "_") == find(named, "\\") == {"n-11"}


def test_the_api_and_the_list_find_it_too(named: WhiteLabel) -> None:
    api = Client(headers={"x-api-key": make_key(named, "organizations:read")})
    browser = Client()
    browser.force_login(make_user("sue", "support", white_label=named))

    for number, name in enumerate(NAMES):
        listed = api.get("/api/v1/organizations", {"search": name.lower()}).json()
        page = browser.get("/organizations/", {"q": name.upper()})
        ids = {row["external_id"] for row in listed["organizations"]}
        shown = {row.organization.external_id for row in page.context["rows"]}
        assert f"n-{number}" in ids & shown, name


def test_the_admin_finds_names_without_accents(named: WhiteLabel) -> None:
    browser = Client()
    browser.force_login(make_user("root", is_superuser=True))
    organization = Organization.objects.get(external_id="n-4")
    Project.objects.create(organization=organization, external_id="p", name="Größe")

    organizations = browser.get("/admin/orgs/organization/", {"q": "STRASSE"})
    projects = browser.get("/admin/orgs/project/", {"q": "grosse"})

    ids = {row.external_id for row in organizations.context["cl"].queryset}
    assert ids == {"n-4", "n-5"}
    assert [row.name for row in projects.context["cl"].queryset] == ["Größe"]


def test_one_name_is_one_project(acme: WhiteLabel, org: Organization) -> None:
    record(acme, [event("a", project=COMPOSED), event("b", project=DECOMPOSED)])

    project = Project.objects.get(organization=org)
    assert (project.external_id, project.name) == (COMPOSED, COMPOSED)
    assert set(UsageEvent.objects.values_list("project_id", flat=True)) == {project.pk}


def test_one_id_is_one_event(acme: WhiteLabel) -> None:
    make_organization(acme, COMPOSED)
    events = [event(text, organization=text) for text in (COMPOSED, DECOMPOSED)]

    first, again = record(acme, events), record(acme, events[1:])

    assert (first.accepted, first.duplicates, again.duplicates) == (1, 1, 1)
    assert UsageEvent.objects.get().event_id == COMPOSED


@pytest.mark.parametrize("name", ["id", "organization", "project"])
def test_an_id_that_its_normal_form_makes_too_long_is_rejected(name: str) -> None:
    raw = orjson.dumps(event(**{("id_" if name == "id" else name): "\u0958" * 150}))

    assert parse_all(b"[" + raw + b"]") is None
    with pytest.raises(InputRejected) as refused:
        parse_event(raw)
    assert refused.value.code == f"invalid_{name}"


def test_escaped_text_is_normalized_as_well(
    acme: WhiteLabel, org: Organization
) -> None:
    raw = orjson.dumps(event("x")).replace(b'"x"', b'"Cafe\\u0301"')

    events = parse_all(b"[" + raw + b"]")

    assert events is not None
    assert (events[0].id, parse_event(raw).id) == ("Café", "Café")


def test_loaded_organizations_are_normalized(
    acme: WhiteLabel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Load(tmp_path, capsys)
    people = [{"external_id": DECOMPOSED, "name": DECOMPOSED}]
    line = {
        "external_id": DECOMPOSED,
        "name": DECOMPOSED,
        "members": people,
        "projects": people,
    }

    load(lines(line), "load_organizations")
    rates = f"product,meter,unit_price,organization\ngpt,requests,1,{DECOMPOSED}\n"
    assert load(rates, "load_rates")[0] == 0

    organization = Organization.objects.get(external_id=COMPOSED)
    assert organization.name == COMPOSED
    for row in (Member.objects.get(), Project.objects.get()):
        assert (row.external_id, row.name) == (COMPOSED, COMPOSED)
    assert Rate.objects.get().organization_id == organization.pk


def test_the_api_normalizes_what_it_is_sent(acme: WhiteLabel) -> None:
    scopes = ("organizations:read", "organizations:write", "billing:write")
    api = Client(headers={"x-api-key": make_key(acme, *scopes)})
    body = {"external_id": DECOMPOSED, "name": DECOMPOSED}

    made = api.post("/api/v1/organizations", body, content_type="application/json")
    url = f"/api/v1/organizations/{made.json()['id']}"
    again = api.post("/api/v1/organizations", body, content_type="application/json")
    for kind in ("members", "projects"):
        person = api.post(f"{url}/{kind}", body, content_type="application/json")
        assert (person.json()["external_id"], person.json()["name"]) == (
            COMPOSED,
            COMPOSED,
        )
    rate = {"product": "gpt", "meter": "requests", "unit_price": 1}
    rates = {"rates": [{**rate, "organization": DECOMPOSED}]}
    put = api.put("/api/v1/rates", rates, content_type="application/json")

    assert (made.json()["external_id"], made.json()["name"]) == (COMPOSED, COMPOSED)
    assert again.status_code == 409
    assert put.json()["changed"] == 1
    for text in (COMPOSED, DECOMPOSED):
        answer = api.get("/api/v1/organizations", {"external_id": text}).json()
        assert len(answer["organizations"]) == 1


def test_white_label_lists_filter_by_the_same_name(acme: WhiteLabel) -> None:
    row = make_organization(acme, "tr", name="İstanbul")
    api = Client(headers={"x-api-key": make_key(acme, "organizations:read")})
    url = f"/v1/api/organizations/{acme.owner_id}/whitelabel/organizations"

    for text in ("İstanbul", unicodedata.normalize("NFD", "İstanbul")):
        listed = api.get(url, {"filters": f"name:{text}"}).json()
        assert [one["id"] for one in listed["organizations"]] == [row.pk]


def test_the_key_of_a_column_is_the_key_of_its_text() -> None:
    make_organization(
        make_white_label("acme"), "x", name="Größe", billing_email="a@b.c"
    )

    [key] = Organization.objects.filter(external_id="x").values_list(
        SearchKey("search_text"), flat=True
    )
    assert key == Organization.objects.get(external_id="x").search_text
    assert key == "grosse x a@b.c"
