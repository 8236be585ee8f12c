"""Creating, changing and deleting organizations, members and projects over HTTP."""

from typing import Any

import pytest
from django.test import Client

from metrics.models import DailyMetric, OpenPeriod
from orgs.models import Organization, WhiteLabel
from tests.factories import make_key, make_organization

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
URL = "/api/v1/organizations"
NEW = {"external_id": "x", "name": "N"}


@pytest.fixture
def api(acme: WhiteLabel) -> Client:
    key = make_key(acme, "organizations:read", "organizations:write")
    return Client(headers={"x-api-key": key})


def send(api: Client, method: str, url: str, body: Any = None) -> tuple[int, Any]:
    response = getattr(api, method)(url, body, content_type="application/json")
    return response.status_code, response.json() if response.content else None


def refusal(api: Client, method: str, url: str, body: Any) -> tuple[int, str, Any]:
    status, answer = send(api, method, url, body)
    [error] = answer["errors"]
    return status, error["code"], error.get("fields")


def test_an_organization_is_created_with_its_first_period(api: Client) -> None:
    status, made = send(
        api,
        "post",
        URL,
        {
            "external_id": "new-11",
            "name": "New",
            "contract_started_on": "2026-03-05",
            "entitlements": {"users": 3, "storage_bytes": None},
        },
    )

    assert status == 201
    assert made["entitlements"]["users"] == 3
    assert made["rate_limit"] == 200
    period = OpenPeriod.objects.get(organization_id=made["id"])
    assert (period.number, str(period.starts_at)) == (1, "2026-03-05 00:00:00+00:00")


def test_a_known_external_id_is_a_conflict(api: Client) -> None:
    body = {"external_id": "org-7", "name": "Again"}

    assert refusal(api, "post", URL, body) == (
        409,
        "organization_exists",
        ["external_id"],
    )


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"name": "N"}, "missing_field", "external_id"),
        ({"external_id": "x", "name": ""}, "invalid_request", "name"),
        ({"external_id": "x", "name": "n" * 201}, "too_long", "name"),
        ({**NEW, "is_staff": True}, "unknown_field", "is_staff"),
        ({**NEW, "rate_limit": "7"}, "invalid_request", "rate_limit"),
        ({**NEW, "rate_limit": 0}, "invalid_request", "rate_limit"),
        ({**NEW, "rate_limit": 2**63}, "out_of_range", None),
        ({**NEW, "name": "N\x00"}, "invalid_character", None),
        ({**NEW, "billing_email": "a@@b"}, "invalid_billing_email", "billing_email"),
        ({**NEW, "contract_started_on": 5}, "invalid_request", "contract_started_on"),
    ],
)
def test_invalid_input_names_its_field_and_creates_nothing(
    api: Client, body: dict[str, Any], code: str, field: str | None
) -> None:
    before = Organization.objects.count()

    status, error, fields = refusal(api, "post", URL, body)

    assert (status, error, fields) == (400, code, [field] if field else None)
    assert Organization.objects.count() == before


def test_only_the_given_fields_change(api: Client, org: Organization) -> None:
    url = f"{URL}/{org.id}"
    send(api, "patch", url, {"billing_email": "a@b.example", "rate_limit": 7})

    status, changed = send(api, "patch", url, {"name": "Newer", "rate_limit": None})

    assert status == 200
    assert (changed["name"], changed["billing_email"]) == ("Newer", "a@b.example")
    assert changed["rate_limit"] == 200  # null: the white label's
    assert refusal(api, "patch", url, {"name": None})[0] == 400


def test_deleting_hides_an_organization_and_restoring_shows_it(
    api: Client, org: Organization
) -> None:
    url = f"{URL}/{org.id}"

    assert send(api, "delete", url)[0] == 204
    assert send(api, "get", url)[0] == 404
    status, deleted = send(api, "get", f"{url}?includeDeleted=true")
    assert (status, deleted["deleted_at"]) == (200, "2026-11-21T12:00:00Z")
    assert send(api, "post", f"{url}/restore")[0] == 200
    assert send(api, "get", url)[0] == 200


def test_members_are_added_and_removed_with_the_daily_metrics(
    api: Client, org: Organization
) -> None:
    url = f"{URL}/{org.id}/members"
    body = {"external_id": "u-1", "is_staff": True, "added_at": "2026-11-03T08:00:00Z"}

    status, member = send(api, "post", url, body)
    assert (status, member["added_at"]) == (201, "2026-11-03T08:00:00Z")
    assert refusal(api, "post", url, body)[:2] == (409, "conflict")
    assert send(api, "delete", f"{url}/{member['id']}")[0] == 204
    assert send(api, "delete", f"{url}/{member['id']}")[0] == 404
    days = DailyMetric.objects.filter(organization_id=org.id).order_by("day")
    assert list(days.values_list("day__day", "members_added", "members_deleted")) == [
        (3, 1, 0),
        (21, 0, 1),
    ]
    assert send(api, "post", url, {"external_id": "u-1"})[0] == 201


@pytest.mark.parametrize("people", ["members", "projects"])
@pytest.mark.parametrize("at", ["1999-12-31T23:59:59Z", "2199-12-31T20:00:00-05:00"])
def test_people_are_added_in_the_years_that_are_stored(
    api: Client, org: Organization, people: str, at: str
) -> None:
    body = {"external_id": "a", "name": "A", "added_at": at}

    refused = refusal(api, "post", f"{URL}/{org.id}/{people}", body)

    assert refused[:2] == (400, "invalid_request")


def test_another_organizations_member_is_not_found(
    api: Client, org: Organization, acme: WhiteLabel
) -> None:
    other = make_organization(acme, "org-11", members=[{"external_id": "u-5"}])
    member = other.members.get()

    url = f"{URL}/{org.id}/members/{member.pk}"
    assert send(api, "patch", url, {"name": "Mine"})[0] == 404
    assert send(api, "delete", url)[0] == 404
    assert other.members.get().deleted_at is None


def test_projects_are_added_changed_and_deleted(api: Client, org: Organization) -> None:
    url = f"{URL}/{org.id}/projects"

    _, project = send(api, "post", url, {"external_id": "p-1"})
    assert project["name"] == "p-1"
    one = f"{url}/{project['id']}"
    assert send(api, "patch", one, {"name": "Nice"})[1]["name"] == "Nice"
    assert send(api, "delete", one)[0] == 204
    assert send(api, "get", url)[1]["projects"] == []
    listed = send(api, "get", f"{url}?includeDeleted=true")[1]["projects"]
    assert [p["deleted_at"] for p in listed] == ["2026-11-21T12:00:00Z"]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"name": "a", "name": "b"}', "duplicate_key"),
        (b'{"name": NaN}', "not_finite"),
        (b'{"name": "\\ud800"}', "invalid_character"),
        (b'{"name": ' + b"[" * 40 + b"]" * 40 + b"}", "invalid_body"),
        (b'{"name": ' + b"[" * 90_000 + b"]" * 90_000 + b"}", "invalid_body"),
        (b'{"rate_limit": ' + b"9" * 5_000 + b"}", "out_of_range"),
        (b"\xef\xbb\xbf{}", "invalid_body"),
    ],
)
def test_ambiguous_json_is_refused(
    api: Client, org: Organization, raw: bytes, code: str
) -> None:
    response = api.patch(f"{URL}/{org.id}", raw, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == code


def test_a_form_or_a_huge_body_is_refused(api: Client, org: Organization) -> None:
    url = f"{URL}/{org.id}"
    form = api.patch(url, b"{}", content_type="text/plain")
    huge = api.patch(url, b" " * (3 << 20), content_type="application/json")

    assert (form.status_code, huge.status_code) == (415, 413)


def test_the_owner_of_a_white_label_cannot_be_deleted(
    api: Client, acme: WhiteLabel
) -> None:
    assert acme.owner

    status, code, _ = refusal(api, "delete", f"{URL}/{acme.owner.pk}", None)

    assert (status, code) == (409, "conflict")
    acme.owner.refresh_from_db()
    assert acme.owner.deleted_at is None


@pytest.mark.parametrize("name", ["a\u202eb", "a\u2066b", "a\nb", "a\x7fb"])
def test_names_with_invisible_or_reordering_characters_are_refused(
    api: Client, name: str
) -> None:
    body = {"external_id": "x", "name": name}

    assert refusal(api, "post", URL, body) == (400, "invalid_name", ["name"])


@pytest.mark.parametrize("name", ["é", "東京 🗼", "</script><b>", "=1+1"])
def test_every_other_name_is_stored_as_sent(api: Client, name: str) -> None:
    _, made = send(api, "post", URL, {"external_id": "x", "name": name})

    assert made["name"] == name


def test_create_names_the_deleted_organization_that_has_the_external_id(
    api: Client,
) -> None:
    _, made = send(api, "post", URL, {"external_id": "x", "name": "X"})
    send(api, "delete", f"{URL}/{made['id']}")

    status, body = send(api, "post", URL, {"external_id": "x", "name": "X"})

    [error] = body["errors"]
    assert (status, error["code"]) == (409, "organization_exists")
    assert f"organizations/{made['id']}/restore" in error["message"]


@pytest.mark.parametrize("value", ["maybe", "yes", "on", "t", "2", ""])
def test_include_deleted_is_true_or_false(api: Client, value: str) -> None:
    _, made = send(api, "post", URL, {"external_id": "x", "name": "X"})
    url = f"{URL}/{made['id']}"

    for deletes in (False, True):
        if deletes:
            send(api, "delete", url)
        for path in (url, URL):
            refused = refusal(api, "get", f"{path}?includeDeleted={value}", None)
            assert refused == (400, "invalid_request", ["includeDeleted"])
