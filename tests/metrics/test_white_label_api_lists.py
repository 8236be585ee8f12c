"""Contract A: lists of a white label's organizations, users and projects."""

import pytest
from pytest_django import DjangoAssertNumQueries

from orgs.commands.editing import change_organization, set_entitlements
from orgs.models import Member, Organization, Project, WhiteLabel
from orgs.queries import counting
from tests.factories import NOW, delete, event, make_organization, record
from tests.support.snapshots import snapshot
from tests.support.white_label_api import WhiteLabelClient

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
SEVEN, FIVE, DELETED, OWNER = "Seven Seas", "five", "Gone", "Acme"


@pytest.fixture
@snapshot
@snapshot
def client(acme: WhiteLabel, org: Organization) -> WhiteLabelClient:
    """Client of a white label with its owner and three other organizations.

    Seven Seas has usage today, five a week ago, and Gone is deleted.
    """
    people = {
        "members": [{"external_id": "u-1", "email": "ann@x.io", "name": "Ann"}],
        "projects": [{"external_id": "p-1", "name": "Sails"}, {"external_id": "p-2"}],
    }
    five = make_organization(acme, "org-5", name=FIVE, **people)
    deleted = make_organization(acme, "org-3", name=DELETED, **people)
    change_organization(org, {"name": SEVEN, "is_billable": False, "domain": "x.io"})
    set_entitlements(five, {"users": 7})
    Project.objects.filter(external_id="p-2").update(is_public=True)
    week_ago = "2026-11-14T10:00:00Z"
    record(
        acme,
        [event(), event("b", organization="org-5", project="p-1", timestamp=week_ago)],
    )
    delete(deleted)
    return WhiteLabelClient(acme)


def names(
    client: WhiteLabelClient, query: str, kind: str = "organizations"
) -> list[str]:
    answer = client.ok("GET", f"{kind}?{query}")
    listed = [row["name"] for row in answer[kind]]
    if "limit" not in query and "offset" not in query:
        assert answer["total"] == len(listed)
    return listed


def test_listed_organization_has_every_field(
    client: WhiteLabelClient, acme: WhiteLabel
) -> None:
    [row] = client.ok("GET", "organizations?filters=name:five")["organizations"]

    five = Organization.objects.get(external_id="org-5", white_label=acme)
    limits = row.pop("entitlementLimits")
    assert row == {
        "id": five.pk, "name": FIVE, "logo": None, "created": "2026-01-05T09:00:00Z",
        "readme": "", "experiments": [], "domain": "", "whitelabelId": acme.pk,
        "billable": True, "privateProjectCount": 1, "deletedDate": None,
    }  # fmt: skip
    assert limits["numberOfUsers"] == 7
    assert limits["totalStorage"] is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [OWNER, SEVEN, FIVE]),
        ("sort=name", [OWNER, FIVE, SEVEN]),
        ("sort=-name", [SEVEN, FIVE, OWNER]),
        ("sort=-created,-id", [OWNER, FIVE, SEVEN]),
        ("sort=id,-name", [OWNER, SEVEN, FIVE]),
        ("sort=", [OWNER, SEVEN, FIVE]),
        ("limit=2", [OWNER, SEVEN]),
        ("limit=1&offset=2", [FIVE]),
        ("offset=3", []),
        ("includeDeleted=True", [OWNER, SEVEN, FIVE, DELETED]),
        ("includeDeleted=False", [OWNER, SEVEN, FIVE]),
        ("active=1", [SEVEN]),
        ("active=7", [SEVEN]),
        ("active=8", [SEVEN, FIVE]),
        ("filters=billable:true", [FIVE]),
        ("filters=billable:False", [OWNER, SEVEN]),
        ("filters=billable:false,domain:X.IO", [SEVEN]),
        ("filters=id:0", []),
        ("filters=id:x", []),
        ("filters=", [OWNER, SEVEN, FIVE]),
        ("search=seven%20sea", [SEVEN]),
        ("search=a%20b&c", []),
        ("search=nobody", []),
        ("unknown=%00&limit=1000", [OWNER, SEVEN, FIVE]),
    ],
)
def test_organizations_are_sorted_filtered_and_searched(
    client: WhiteLabelClient, query: str, expected: list[str]
) -> None:
    assert names(client, query) == expected


@pytest.mark.parametrize(
    "query",
    ["sort=external_id", "sort=name;drop", "filters=white_label:1", "filters=billable",
     "filters=billable:maybe", "limit=0", "limit=1001", "limit=x", "offset=-1",
     "offset=1000001", "active=0", "active=x", "search=%00", "filters=name:%00",
     "sort=%00", "includeDeleted=perhaps", "search=" + "x" * 1001],
)  # fmt: skip
def test_invalid_parameters_are_a_400(client: WhiteLabelClient, query: str) -> None:
    status, error = client.refused("GET", f"organizations?{query}")

    assert (status, bool(error)) == (400, True)


def test_deleted_organizations_have_a_deletion_date(client: WhiteLabelClient) -> None:
    rows = client.ok("GET", "organizations?includeDeleted=1")["organizations"]

    deleted_dates = {row["name"]: row["deletedDate"] for row in rows}
    assert deleted_dates == {
        OWNER: None, SEVEN: None, FIVE: None, DELETED: f"{NOW:%FT%TZ}"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "query", "expected"),
    [
        ("users", "", ["Ann"]),
        ("users", "includeDeleted=true", ["Ann", "Ann"]),
        ("users", "filters=email:ANN@x.io", ["Ann"]),
        ("users", "filters=name:Bob", []),
        ("users", "search=ann%20x.io", ["Ann"]),
        ("users", "active=7", []),
        ("users", "active=8&sort=-created&fields=id", ["Ann"]),
        ("users", "tier=enterprise", ["Ann"]),
        ("users", "tier=free", []),
        ("projects", "sort=name", ["p-2", "Sails"]),
        ("projects", "sort=-name", ["Sails", "p-2"]),
        ("projects", "active=8", ["Sails"]),
        ("projects", "active=7", []),
        ("projects", "search=sail", ["Sails"]),
        ("projects", "filters=name:P-2", ["p-2"]),
        ("projects", "includeDeleted=1&limit=9", ["Sails", "p-2", "Sails", "p-2"]),
    ],
)
def test_users_and_projects_are_sorted_filtered_and_searched(
    client: WhiteLabelClient, kind: str, query: str, expected: list[str]
) -> None:
    assert names(client, query, kind) == expected


def test_users_and_projects_name_their_organization(
    client: WhiteLabelClient, acme: WhiteLabel
) -> None:
    [user] = client.ok("GET", "users")["users"]
    project = client.ok("GET", "projects?filters=name:sails")["projects"][0]

    assert (user["username"], user["email"]) == ("u-1", "ann@x.io")
    five = Organization.objects.get(external_id="org-5", white_label=acme)
    assert (project["owner"], project["ownerOrganizationId"]) == (FIVE, five.pk)
    assert client.refused("GET", "users?tier=gold")[0] == 400


def test_removed_member_is_listed_only_on_request(
    client: WhiteLabelClient,
) -> None:
    Member.objects.update(deleted_at=NOW)

    assert names(client, "", "users") == []
    row = client.ok("GET", "users?includeDeleted=true")["users"][0]
    assert row["deletedDate"] == "2026-11-21T12:00:00Z"


def test_totals_of_filtered_lists_may_be_estimates(
    client: WhiteLabelClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "EXACT_UP_TO", 2)

    assert client.ok("GET", "organizations?limit=1")["total"] == 3
    assert client.ok("GET", "organizations?limit=1")["total"] == 3
    assert client.ok("GET", "organizations?search=e")["total"] >= 2
    assert client.ok("GET", "projects?includeDeleted=1")["total"] >= 3


def test_page_costs_four_queries_for_any_length(
    client: WhiteLabelClient,
    acme: WhiteLabel,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(9):
        make_organization(acme, f"more-{number}")
    client.ok("GET", "metrics")  # stores the key's last use, once a minute

    # the key with the owner and white label, the page, its projects, the count
    with django_assert_num_queries(4):
        client.ok("GET", "organizations")
