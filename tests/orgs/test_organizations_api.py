"""The list of organizations as JSON: filters, pagination and access."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from orgs.models import Organization, WhiteLabel
from tests.factories import (
    delete,
    make_key,
    make_organization,
    make_organizations,
    make_user,
    make_white_label,
)
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
URL = "/api/v1/organizations"


class Ask:
    def __init__(self, client: Client, key: str) -> None:
        self.client, self.key = client, key

    def raw(self, **query: Any) -> Any:
        return self.client.get(
            f"{URL}?{urlencode(query)}", headers={"x-api-key": self.key}
        )

    def __call__(self, **query: Any) -> list[str]:
        response = self.raw(**query)
        assert response.status_code == 200, response.content
        return [row["external_id"] for row in response.json()["organizations"]]


@pytest.fixture
@snapshot
def fleet(acme: WhiteLabel) -> WhiteLabel:
    """Add eleven organizations to acme, one of them deleted."""
    lines = [
        {
            "external_id": f"org-{number}",
            "name": f"Müller & Söhne {number}",
            "billing_email": f"pay{number}@example.com",
        }
        for number in range(10, 20)
    ]
    make_organizations(acme, lines)
    delete(make_organization(acme, "org-gone"))
    return acme


@pytest.fixture
def ask(fleet: WhiteLabel, client: Client) -> Ask:
    return Ask(client, make_key(fleet, "organizations:read"))


def test_an_organization_is_found_by_its_external_id(
    ask: Ask, fleet: WhiteLabel
) -> None:
    [row] = ask.raw(external_id="org-7").json()["organizations"]

    org = Organization.objects.get(white_label=fleet, external_id="org-7")
    assert row == {
        "id": org.id,
        "external_id": "org-7",
        "name": "Org-7",
        "is_active": True,
        "deleted_at": None,
        "white_label": {"slug": "acme", "owner_id": fleet.owner_id},
    }


def test_filters_are_combined(ask: Ask) -> None:
    assert ask(external_id="ORG-7") == []
    assert ask(external_id="org-gone") == []
    assert ask(white_label="decoy") == []
    assert len(ask(white_label="acme")) == 12
    assert ask(search="müller 13") == ["org-13"]
    assert ask(search="SÖHNE pay14@example.com") == ["org-14"]
    assert ask(search="müller", external_id="org-7") == []
    assert ask(search="100%_") == []


def test_an_organization_is_found_by_its_id(ask: Ask, fleet: WhiteLabel) -> None:
    org = Organization.objects.get(white_label=fleet, external_id="org-15")

    assert "org-15" in ask(search=str(org.id))
    assert ask(search="9" * 30) == []


@pytest.mark.parametrize("limit", [1, 5, 11, 12, 13])
def test_pages_contain_every_row_once(ask: Ask, limit: int) -> None:
    everything, listed, cursor = ask(), [], ""
    for _ in range(20):
        answer = ask.raw(limit=limit, **({"cursor": cursor} if cursor else {})).json()
        assert len(answer["organizations"]) <= limit
        listed += [row["external_id"] for row in answer["organizations"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break

    assert listed == everything
    assert len(set(listed)) == 12


def test_a_cursor_is_valid_for_its_key_only(
    ask: Ask, fleet: WhiteLabel, client: Client
) -> None:
    cursor = ask.raw(limit=5).json()["next_cursor"]
    other = Ask(client, make_key(fleet, "organizations:read"))

    for requester, sent in (
        (other, cursor),
        (ask, cursor[:-1] + "x"),
        (ask, "x"),
        (ask, ":::"),
    ):
        response = requester.raw(limit=5, cursor=sent)
        assert response.status_code == 400
        assert response["x-cloud-error-codes"] == "invalid_cursor"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(({"limit": n}, "limit") for n in (0, -1, 1001, 10**9, 2**63, "x", "1.0")),
        ({"limit": "\u0665"}, "limit"),
        ({"search": "x" * 201}, "search"),
        ({"search": "a\x00b"}, "search"),
        ({"external_id": "\x00"}, "external_id"),
        ({"white_label": "\x00"}, "white_label"),
        ({"cursor": "x" * 2001}, "cursor"),
    ],
)
def test_an_invalid_filter_is_a_400_that_names_it(
    ask: Ask, query: dict[str, Any], field: str
) -> None:
    response = ask.raw(**query)

    assert response.status_code == 400
    assert response.json()["errors"][0]["fields"] == [field]


def test_a_key_of_one_organization_lists_that_one(
    fleet: WhiteLabel, client: Client
) -> None:
    org = Organization.objects.get(white_label=fleet, external_id="org-11")
    key = make_key(fleet, "organizations:read", organization=org)

    assert Ask(client, key)() == ["org-11"]


def test_the_scope_is_required(fleet: WhiteLabel, client: Client) -> None:
    ask = Ask(client, make_key(fleet, "billing:read", "organizations:write"))

    assert ask.raw().status_code == 403


def test_staff_list_every_white_label_and_other_users_theirs(
    fleet: WhiteLabel, client: Client
) -> None:
    make_white_label("third")
    client.force_login(make_user("ann", "viewer"))
    everywhere = client.get(URL).json()["organizations"]
    client.force_login(make_user("bob", "viewer", white_label=fleet, is_staff=False))
    own = client.get(URL).json()["organizations"]
    client.force_login(make_user("eve", "viewer", is_staff=False))
    nothing = client.get(URL).json()["organizations"]

    assert {row["white_label"]["slug"] for row in everywhere} == {
        "acme",
        "decoy",
        "third",
    }
    assert (len(everywhere), len(own), nothing) == (15, 12, [])


def test_names_are_returned_unchanged(ask: Ask, fleet: WhiteLabel) -> None:
    name = "</script><img onerror=x> =1+1 \u200b"
    make_organization(fleet, "odd", name=name)

    [row] = ask.raw(external_id="odd").json()["organizations"]

    assert row["name"] == name
