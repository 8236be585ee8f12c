"""Contract A: an organization's projects, keys and members."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from orgs.models import ApiKey, Member, Organization, Project, WhiteLabel
from tests.factories import NOW, make_organization
from tests.support.white_label_api import WhiteLabelClient, of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture
def client(acme: WhiteLabel, org: Organization) -> WhiteLabelClient:
    """Client of a white label that also has an organization with a member."""
    make_organization(acme, "org-9", members=[{"external_id": "m"}])
    return WhiteLabelClient(acme)


def test_a_project_is_created_with_or_without_a_key(
    client: WhiteLabelClient, org: Organization
) -> None:
    made = client.ok("POST", of(org, "/projects"), {"projectName": "Seven"})
    bare = {"projectName": "Five", "createApiKey": False, "projectVisibility": "public"}
    other = client.ok("POST", of(org, "/projects"), bare)

    rows = Project.objects.filter(organization=org).values_list(
        "id", "name", "is_public"
    )
    assert set(rows) == {(made["id"], "Seven", False), (other["id"], "Five", True)}
    assert other["apiKey"] == ""
    key = ApiKey.objects.get(organization=org)
    assert (key.name, key.scopes) == ("Seven", ["organizations:read"])
    assert client.ok("GET", of(org))["dailyMetrics"][-1]["projectsAdded"] == 2


def test_a_key_has_no_scope_that_its_creator_lacks(
    acme: WhiteLabel, org: Organization
) -> None:
    wide = WhiteLabelClient(acme, "organizations:write", "usage:write", "billing:write")
    body = {"name": "k", "role": "admin", "ttl": 60}

    made = wide.ok("POST", of(org, "/apiKeys"), body)

    key = ApiKey.objects.get(pk=made["id"])
    assert key.scopes == ["organizations:read", "organizations:write", "usage:write"]
    assert (key.organization, key.expires_at) == (org, NOW + timedelta(seconds=60))
    assert made["apiKey"].startswith("ei_")


def test_a_given_key_is_accepted_once(
    client: WhiteLabelClient, org: Organization
) -> None:
    text = "ei_" + "7" * 29
    body = {"name": "k", "role": "member", "apiKey": text}
    assert client.ok("POST", of(org, "/apiKeys"), body)["apiKey"] == text
    answer = Client().get("/api/v1/organizations", headers={"x-api-key": text})
    assert [one["id"] for one in answer.json()["organizations"]] == [org.pk]

    assert client.refused("POST", of(org, "/apiKeys"), body)[0] == 409


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": "k"}, {"name": "k", "role": "guest"},
        {"name": "", "role": "admin"}, {"name": "k", "role": "admin", "ttl": 0},
        {"name": "k", "role": "admin", "ttl": "5"},
        {"name": "k", "role": "admin", "ttl": 10**12},
        {"name": "k", "role": "admin", "apiKey": "ei_short"},
        {"name": "k", "role": "admin", "apiKey": "xx_" + "7" * 40},
        {"name": "k", "role": "admin", "apiKey": "ei_é" + "7" * 40},
    ],
)  # fmt: skip
def test_an_invalid_key_is_not_created(
    client: WhiteLabelClient, org: Organization, body: Any
) -> None:
    assert client.refused("POST", of(org, "/apiKeys"), body)[0] == 400
    assert not ApiKey.objects.filter(organization=org).exists()


def test_a_member_is_added_removed_and_added_again(
    client: WhiteLabelClient, org: Organization
) -> None:
    body = {"usernameOrEmail": "a@example.com", "role": "guest", "datasets": []}
    client.ok("POST", of(org, "/members"), body)
    assert client.refused("POST", of(org, "/members"), body)[0] == 409
    member = Member.objects.get(organization=org)
    assert (member.email, member.role) == ("a@example.com", "guest")

    client.ok("DELETE", of(org, f"/members/{member.pk}"))

    assert client.refused("DELETE", of(org, f"/members/{member.pk}"))[0] == 404
    today = client.ok("GET", of(org))["dailyMetrics"][-1]
    assert (today["totalUsers"], today["usersAdded"], today["usersDeleted"]) == (
        0,
        1,
        1,
    )
    client.ok("POST", of(org, "/members"), body | {"role": "admin"})
    assert Member.objects.get(organization=org, deleted_at=None).role == "admin"


def test_a_member_of_another_organization_is_not_removed(
    client: WhiteLabelClient, org: Organization
) -> None:
    theirs = Member.objects.get(external_id="m")

    status, _ = client.refused("DELETE", of(org, f"/members/{theirs.pk}"))

    theirs.refresh_from_db()
    assert (status, theirs.deleted_at) == (404, None)


def test_one_user_and_project_are_of_the_white_label(
    client: WhiteLabelClient, org: Organization
) -> None:
    decoy = Organization.objects.exclude(white_label=org.white_label)[0]
    added = {"external_id": "x", "name": "x", "added_at": NOW}
    for rows, path in (("members", "users"), ("projects", "projects")):
        own = getattr(org, rows).create(**added)
        for ids in (getattr(decoy, rows).create(**added).pk, 10**18, "x"):
            assert client.refused("GET", f"{path}/{ids}")[0] == 404
        assert client.ok("GET", f"{path}/{own.pk}")
        own.deleted_at = NOW
        own.save()
        assert client.refused("GET", f"{path}/{own.pk}")[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        {"projectName": "P"},
        {"projectName": "P", "ownerId": 10**9},
        {"projectName": "P", "ownerEmail": "who@x.example"},
        {"ownerEmail": "m@x.example"},
    ],
)
def test_a_project_needs_a_name_and_an_owner_of_the_white_label(
    client: WhiteLabelClient, body: dict[str, Any]
) -> None:
    assert client.refused("POST", "projects", body)[0] == 400
    assert not Project.objects.exists()


def test_a_field_that_would_be_ignored_is_refused(
    client: WhiteLabelClient, org: Organization
) -> None:
    assert client.refused("PUT", "", {"name": "New", "domain": "x.example"})[0] == 400
    assert client.refused("POST", of(org), {"readme": "x", "tier": "pro"})[0] == 400
    org.refresh_from_db()
    assert org.readme == ""
