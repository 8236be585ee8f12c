"""Contract A: creating, changing, deleting and restoring organizations."""

from typing import Any

import pytest
from django.test import Client

from metrics.queries.periods import list_open_periods
from orgs.commands.editing import set_entitlements
from orgs.models import ApiKey, Job, Member, Organization, WhiteLabel
from orgs.tasks import run_job
from tests.factories import NOW, delete, make_organization, make_user
from tests.support.white_label_api import WhiteLabelClient, of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture
def client(acme: WhiteLabel) -> WhiteLabelClient:
    return WhiteLabelClient(acme)


@pytest.fixture
def foreign(acme: WhiteLabel) -> Organization:
    return Organization.objects.get(white_label__slug="decoy", external_id="org-7")


# --- create and change --------------------------------------------------------------


def test_an_organization_is_created_with_period_admin_and_key(
    client: WhiteLabelClient, acme: WhiteLabel, org: Organization
) -> None:
    ann = Member.objects.create(organization=org, external_id="u-5", email="a@x.io")
    body = {"organizationName": " Seven ", "adminId": ann.pk, "whatever": [1]}

    made = client.ok("POST", "organizations", body)

    new = Organization.objects.get(pk=made["id"])
    assert (new.name, new.white_label) == ("Seven", acme)
    assert new.members.values_list("external_id", "role").get() == ("u-5", "admin")
    assert [p.number for p in list_open_periods([new.pk])] == [1]
    key = ApiKey.objects.get(organization=new)
    assert made["apiKey"].startswith(key.start)
    assert key.scopes == ["organizations:read", "organizations:write"]


@pytest.mark.parametrize(
    "body",
    [
        {}, [], "x", {"organizationName": ""}, {"organizationName": "  "},
        {"organizationName": 7}, {"organizationName": None},
        {"organizationName": "x" * 201}, {"organizationName": "a\x00b"},
        {"organizationName": "x", "adminId": "5"},
        {"organizationName": "x", "adminId": 999_999},
        {"organizationName": "x", "adminId": True},
        {"organizationName": "x", "adminEmail": "nobody@"},
    ],
)  # fmt: skip
def test_an_invalid_body_creates_nothing(client: WhiteLabelClient, body: Any) -> None:
    before = Organization.objects.count()

    status, error = client.refused("POST", "organizations", body)

    assert (status, bool(error)) == (400, True)
    assert Organization.objects.count() == before


def test_only_the_given_fields_change(
    client: WhiteLabelClient, org: Organization
) -> None:
    logo = "https://example.com/logo.png"
    client.ok("POST", of(org), {"logo": logo, "experiments": ["a"], "domain": "x.io"})
    client.ok("POST", of(org), {"entitlementLimits": {"numberOfProjects": 5}})
    client.ok("POST", of(org), {"billable": False})
    client.ok("POST", of(org), {"entitlementLimits": {"totalStorage": 7.0}})
    client.ok("POST", of(org), {})

    org.refresh_from_db()
    assert (org.logo_url, org.experiments, org.domain) == (logo, ["a"], "x.io")
    assert (org.name, org.is_billable) == ("Org-7", False)
    assert (org.entitlements.projects, org.entitlements.storage_bytes) == (5, 7)


def test_null_clears_images_and_limits(
    client: WhiteLabelClient, org: Organization
) -> None:
    url = "https://example.com/x.png"
    client.ok("POST", of(org), {"logo": url, "headerImg": url})
    client.ok("POST", of(org), {"entitlementLimits": {"numberOfUsers": 5}})

    client.ok(
        "POST", of(org), {"logo": None, "entitlementLimits": {"numberOfUsers": None}}
    )

    org.refresh_from_db()
    assert (org.logo_url, org.header_image_url) == ("", url)
    assert org.entitlements.users is None


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""}, {"name": None}, {"name": 5}, {"billable": "t"}, {"billable": 1},
        {"logo": "javascript:alert(1)"}, {"logo": "x"}, {"experiments": "a"},
        {"experiments": [1]}, {"readme": None}, {"domain": "x" * 254},
        {"entitlementLimits": None}, {"entitlementLimits": []},
        {"entitlementLimits": {"totalStorage": -1}},
        {"entitlementLimits": {"totalStorage": "5"}},
        {"entitlementLimits": {"totalStorage": 1e30}},
        {"entitlementLimits": {"numberOfUsers": 1.5}},
        {"entitlementLimits": {"numberOfUsers": 2**31}},
        {"contractStartDate": "soon"}, {"contractStartDate": "1999-12-31T23:59:59Z"},
        {"contractStartDate": "2200-01-01T00:00:00Z"}, {"contractStartDate": 5},
        {"contractStartDate": None},
    ],
)  # fmt: skip
def test_an_invalid_change_changes_nothing(
    client: WhiteLabelClient, org: Organization, body: dict[str, Any]
) -> None:
    status, error = client.refused("POST", of(org), {"readme": "new", **body})

    assert (status, bool(error)) == (400, True)
    org.refresh_from_db()
    assert org.readme == ""


def test_entitlements_are_returned_and_null_is_no_limit(
    client: WhiteLabelClient, org: Organization
) -> None:
    nothing = dict.fromkeys(
        ("totalStorage", "computeTimePerYear", "gpuComputeTimePerYear",
         "numberOfProjects", "numberOfUsers")
    )  # fmt: skip
    assert client.ok("GET", of(org))["entitlementLimits"] == nothing

    set_entitlements(org, {"storage_bytes": 5 * 10**9, "users": 0})

    limits = client.ok("GET", of(org))["entitlementLimits"]
    assert limits == nothing | {"totalStorage": 5 * 10**9, "numberOfUsers": 0}


# --- delete and restore -------------------------------------------------------------


def test_two_deletion_requests_create_one_job(
    client: WhiteLabelClient, org: Organization
) -> None:
    first, again = client.ok("DELETE", of(org)), client.ok("DELETE", of(org))
    assert first["id"] == again["id"]
    assert client.ok("GET", of(org))

    run_job(first["id"])
    run_job(first["id"])

    org.refresh_from_db()
    assert org.deleted_at == NOW
    assert client.refused("DELETE", of(org))[0] == 404
    assert Organization.objects.filter(deleted_at=NOW).count() == 1


def test_a_restored_organization_is_not_deleted_by_an_old_job(
    client: WhiteLabelClient, org: Organization
) -> None:
    job = client.ok("DELETE", of(org))["id"]
    client.ok("GET", of(org, "/restore"))

    run_job(job)

    assert client.ok("GET", of(org))
    [listed] = client.ok("GET", of(org, "/jobs"))["jobs"]
    assert listed["finishedSuccessful"] is False


def test_the_owner_of_a_white_label_cannot_be_deleted(
    client: WhiteLabelClient, acme: WhiteLabel
) -> None:
    assert acme.owner is not None

    assert client.refused("DELETE", of(acme.owner))[0] == 409

    acme.owner.refresh_from_db()
    assert acme.owner.deleted_at is None
    assert not Job.objects.exists()


def test_restoring_is_refused_to_a_session(
    client: WhiteLabelClient, acme: WhiteLabel, org: Organization
) -> None:
    delete(org)
    browser = Client()
    browser.force_login(make_user("op", "operator"))
    path = f"{client.root}/{of(org, '/restore')}"

    assert browser.get(path).status_code == 403
    assert browser.get(path, headers={"x-api-key": ""}).status_code == 403
    client.ok("GET", of(org, "/restore"))
    client.ok("GET", of(org, "/restore"))
    assert client.ok("GET", of(org))


@pytest.mark.parametrize(
    ("value", "status"),
    [("True", 200), ("true", 200), ("TRUE", 200), ("1", 200), ("False", 404),
     ("false", 404), ("0", 404), ("perhaps", 400), ("maybe", 400), ("yes", 400),
     ("on", 400), ("t", 400), ("2", 400), ("", 400)],
)  # fmt: skip
def test_include_deleted_is_accepted_in_every_spelling(
    client: WhiteLabelClient, org: Organization, value: str, status: int
) -> None:
    delete(org)

    path = of(org, f"?includeDeleted={value}&x=%00")
    assert client("GET", path).status_code == status


def test_the_white_label_is_shown_and_renamed(
    client: WhiteLabelClient, acme: WhiteLabel
) -> None:
    client.ok("PUT", "", {"name": "Acme Two"})

    shown = client.ok("GET", "")["whitelabel"]

    assert (shown["id"], shown["name"]) == (acme.pk, "Acme Two")
    assert shown["ownerOrganizationId"] == acme.owner_id
    make_organization(acme, "org-9", members=[{"external_id": "m"}])
    counts = {"organizations": 3, "users": 1, "projects": 0}
    assert client.ok("GET", "metrics")["metrics"] == counts
