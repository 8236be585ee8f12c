"""Search over everything: its results, with misspellings, for each role."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from billing.console.queries.search import search
from billing.models import BillingAccount, Invoice, Subscription
from orgs.models import Organization, User, WhiteLabel
from orgs.queries.search_statements import Kind, Viewer
from tests.factories import (
    NOW,
    make_key,
    make_organization,
    make_organizations,
    make_user,
    make_white_label,
)
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
NAMES = (
    *("Helvetia Robotics", "Nordic Speech Lab", "Kestrel Vision", "Ostara Health"),
    *("Brightwater Analytics", "Mizuho Motion", "Parallel Foods", "Lumen Legal"),
    *("Tidewater Insurance", "Orchard Genomics", "Falkirk Rail", "Quarry Search"),
    *("Blue Heron Media", "Sable Security", "Vantage Grid", "Copperline Mining"),
    *("Juniper Schools", "Marigold Travel", "Northgate Bank", "Polar Weather"),
    *("Redwood Devices", "Saffron Kitchens", "Thistle Games", "Umbra Optics"),
    *("Willow Care", "Zephyr Drones", "Aurora Render", "Granit CAD"),
    *("Iskald Climate", "Jotun Physics", "Quant Harbour", "Ruhr Steelworks"),
)
NEIGHBORS = {
    key: row[max(0, i - 1) : i] + row[i + 1 : i + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for i, key in enumerate(row)
}


def fleet() -> None:
    make_organizations(
        make_white_label("fleet"),
        [
            {
                "external_id": f"ext-{4711 + i}",
                "name": name,
                "members": [
                    {"external_id": "u-1", "email": f"ann@{slug(name)}.example"}
                ],
            }
            for i, name in enumerate(NAMES)
        ],
    )
    make_records()
    make_organization(make_white_label("acme"), "org-7")


def slug(name: str) -> str:
    return name.lower().replace(" ", "-")


@pytest.fixture
@snapshot
def label(db: None) -> WhiteLabel:
    fleet()
    return WhiteLabel.objects.get(slug="fleet")


@pytest.fixture
def records(label: WhiteLabel) -> Organization:
    """Return Lumen Legal, which has a member, a project, and rows of Stripe."""
    return Organization.objects.get(external_id="ext-4718")


def make_records() -> None:
    organization = Organization.objects.get(external_id="ext-4718")
    Organization.objects.filter(pk=organization.pk).update(domain="lumen.example")
    organization.members.update(name="Ann Lee")
    organization.projects.create(external_id="rv", name="Robot vision")
    BillingAccount.objects.update_or_create(
        organization=organization, defaults={"stripe_id": "cus_lumen_1"}
    )
    Subscription.objects.create(
        organization=organization,
        stripe_id="sub_lumen_1",
        status="active",
        tier="scale",
        stripe_price_id="price_1",
    )
    Invoice.objects.create(
        organization=organization,
        stripe_id="in_lumen_1",
        number="EXT-4711-0013",
        status="open",
        currency="usd",
        total=5,
        amount_due=5,
        issued_at=NOW,
    )


@pytest.fixture
def staff(client: Client) -> User:
    user = make_user("ann", "operator")
    client.force_login(user)
    return user


@pytest.fixture
def inside(records: Organization, staff: User, client: Client) -> Client:
    """Return the client of an operator, with all rows there."""
    return client


def results(client: Client, text: str) -> dict[str, list[str]]:
    """Return the labels of the results by kind, as the page has them."""
    response = client.get(reverse("billing:search"), {"q": text})
    assert response.status_code == 200
    sections = response.context["sections"]
    return {section.slug: [e.label for e in section.entries] for section in sections}


def first_five(text: str) -> list[str]:
    """Return the labels of the first organizations, without rendering a page."""
    groups = search(Viewer(None), text, [Kind.ORGANIZATION])
    return [match.label for group in groups for match in group.matches[:5]]


def misspell(name: str, number: int) -> str:
    """Return the name with one error, which depends only on the number."""
    kind, at = number % 4, (number * 7919) % (len(name) - 1)
    if kind == 0:
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    if kind == 1:
        return name[:at] + name[at + 1 :]
    if kind == 2:
        return name[: at + 1] + name[at:]
    neighbors = NEIGHBORS.get(name[at].lower(), "x")
    return name[:at] + neighbors[number % len(neighbors)] + name[at + 1 :]


def misspellings() -> Iterator[tuple[str, str]]:
    """Yield 200 misspelled names with the name that is meant."""
    number = 0
    while number < 200:
        name = NAMES[number % len(NAMES)]
        yield misspell(name, number), name
        number += 1


def test_a_misspelled_name_is_among_the_first_five(label: WhiteLabel) -> None:
    missed = [(t, name) for t, name in misspellings() if name not in first_five(t)]

    assert len(missed) <= 10, missed


@pytest.mark.parametrize(
    ("text", "kind", "shown"),
    [
        ("lumen", "organization", "Lumen Legal"),
        ("LUMEN  LEGAL", "organization", "Lumen Legal"),
        ("lúmen", "organization", "Lumen Legal"),
        ("ext-4718", "organization", "Lumen Legal"),
        ("lumen.example", "organization", "Lumen Legal"),  # its domain
        ("ann@lumen-legal", "member", "Ann Lee"),
        ("an lee lumn", "member", "Ann Lee"),
        ("lumen legal 4781", "organization", "Lumen Legal"),  # swapped digits
        ("4718", "organization", "Lumen Legal"),
        ("robot visoin", "project", "Robot vision"),
        ("cus_lumen", "customer", "cus_lumen_1"),
        ("sub_lumen", "subscription", "sub_lumen_1"),
        ("in_lumen", "invoice", "EXT-4711-0013"),
        ("EXT-4711-0013", "invoice", "EXT-4711-0013"),
        ("ext 4711-00", "invoice", "EXT-4711-0013"),
        ("4711-0013", "invoice", "EXT-4711-0013"),
        ("webhok", "page", "Webhook events"),
    ],
)
def test_texts_of_callers_have_results(
    inside: Client, text: str, kind: str, shown: str
) -> None:
    assert shown in results(inside, text)[kind]


def test_an_api_key_has_a_result_for_its_beginning_and_by_all_of_it(
    label: WhiteLabel, staff: User, client: Client
) -> None:
    text = make_key(label, "usage:write")

    for sought in (text[:10], text):
        assert results(client, sought)["api_key"] == ["test"]


@pytest.mark.parametrize(
    ("text", "first", "url"),
    [
        ("raise limit of lumen legal", "Raise limit of Lumen Legal", "alerts/#limits"),
        ("raise limt lumn", "Raise limit of Lumen Legal", "alerts/#limits"),
        ("credit lumen", "Add credit to Lumen Legal", "credits/"),
        ("lumen history", "History of Lumen Legal", "history/"),
        ("lumen", "Raise limit of Lumen Legal", "alerts/#limits"),
    ],
)
def test_an_action_is_offered_with_its_organization(
    records: Organization, inside: Client, text: str, first: str, url: str
) -> None:
    response = inside.get(reverse("billing:search"), {"q": text})

    sections = {s.slug: s.entries for s in response.context["sections"]}
    entry = sections["action"][0]
    assert entry.label == first
    assert entry.url.endswith(f"/organizations/{records.pk}/{url}")
    assert inside.get(entry.url.partition("#")[0]).status_code == 200


def test_a_user_of_a_white_label_finds_nothing_of_another(
    records: Organization, client: Client
) -> None:
    acme = WhiteLabel.objects.get(slug="acme")
    bound = make_user("bob", "operator", white_label=acme, is_staff=False)
    client.force_login(bound)
    key = make_key(records.white_label, "usage:write")

    for text in ("lumen", "lumn", "ann lee", "vision", "cus_lumen", "sub_lumen"):
        assert not results(client, text), text
    for text in (
        "in_lumen",
        "EXT-4711-0013",
        key,
        str(records.pk),
        "raise limit lumen",
    ):
        assert not {"organization", "invoice", "api_key"} & {*results(client, text)}
    assert results(client, "org-7")["organization"] == ["Org-7"]


def test_a_user_without_white_label_or_staff_finds_nothing(
    records: Organization, client: Client
) -> None:
    client.force_login(make_user("eve", "operator", is_staff=False))

    assert not results(client, "lumen")


def test_kinds_and_actions_that_a_role_may_not_see_are_not_answered(
    records: Organization, client: Client
) -> None:
    user = make_user("reader")
    user.user_permissions.set(Permission.objects.filter(codename="view_organization"))
    client.force_login(user)
    key = make_key(records.white_label, "usage:write")

    labels = results(client, "lumen")["action"]
    assert not {"invoice", "customer", "subscription"} & {*results(client, "lumen_1")}
    assert "api_key" not in results(client, key)
    assert not results(client, "EXT-4711-0013")
    assert not [text for text in labels if text.startswith(("Raise", "Costs"))]
    assert "page" not in results(client, "discrepancies")


def test_a_search_requires_a_role_and_a_login(client: Client, db: None) -> None:
    url = reverse("billing:search")
    assert client.get(url).status_code == 302

    client.force_login(make_user("new"))
    assert client.get(url).status_code == 403


@pytest.mark.parametrize("text", ["x" * 201, "a\x00b"])
def test_a_text_that_cannot_be_searched_for_is_refused(
    staff: User, client: Client, text: str
) -> None:
    assert client.get(reverse("billing:search"), {"q": text}).status_code == 400


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", "l", "%%%", "🙂", "ß" * 200])
def test_special_characters_stand_for_themselves(
    label: WhiteLabel, staff: User, client: Client, text: str
) -> None:
    assert "organization" not in results(client, text)


def test_the_palette_gets_the_results_alone(
    label: WhiteLabel, staff: User, client: Client
) -> None:
    url = reverse("billing:search")
    response = client.get(url, {"q": "lumen"}, headers={"hx-request": "true"})

    page = response.content.decode()
    assert 'data-results="organization"' in page
    assert "<html" not in page


def test_organizations_visited_last_come_first_without_a_text(
    records: Organization, staff: User, client: Client
) -> None:
    others = Organization.objects.exclude(pk=records.pk)[:9]
    for organization in (*others, records, others[3], records):
        client.get(reverse("orgs:people", args=[organization.pk]))

    recent = results(client, "")["recent"]
    assert recent[:2] == ["Lumen Legal", others[3].name]
    assert len(recent) == 8

    staff.white_label = WhiteLabel.objects.create(slug="other", name="Other")
    staff.save()
    assert "recent" not in results(client, "")


def test_the_number_of_statements_is_bounded(
    records: Organization,
    staff: User,
    client: Client,
    django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]],
) -> None:
    for text in ("raise limt lumn", "lumen", "", "EXT-4711-0013"):
        with django_assert_max_num_queries(16):
            results(client, text)
