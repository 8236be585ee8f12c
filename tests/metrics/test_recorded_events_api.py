"""GET /api/v1/usage/events: what was recorded, filtered, paged, with corrections."""

from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from config.openapi.document import document
from metrics.commands.voids import void_correction, void_usage
from metrics.queries.recorded_events import _EVENTS
from metrics.queries.voids import UsageRange
from orgs.models import Organization, Project, WhiteLabel
from tests.factories import (
    NOW,
    delete,
    event,
    make_key,
    make_organization,
    make_rate,
    make_user,
    record,
)
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
URL = "/api/v1/usage/events"


@pytest.fixture
@snapshot
def recorded(acme: WhiteLabel, org: Organization) -> Organization:
    """Record five events of org-7, one of another organization; void one."""
    make_organization(acme, "org-9")
    make_rate(acme, "2")
    tokens = {"product": "gpt-4o", "quantities": {"prompt_tokens": 8, "requests": 1}}
    record(
        acme,
        [
            event("e-1", timestamp="2026-11-20T23:59:59Z", project="p-1"),
            event("e-2", timestamp="2026-11-21T00:00:00Z", **tokens),
            event("e-3", timestamp="2026-10-31T23:00:00Z", project="p-1"),
            event("e-4", timestamp="2026-08-01T00:00:00Z"),
            event("e-5", timestamp="2026-11-19T00:00:00Z"),
            event("e-2", organization="org-9"),
        ],
    )
    mistake = UsageRange(org, NOW - timedelta(days=3), NOW, event_id="e-5")
    list(void_usage(mistake, correction=void_correction(by="ann", note="a test")))
    return org


@pytest.fixture
def api(recorded: Organization) -> Client:
    key = make_key(recorded.white_label, "organizations:read")
    return Client(headers={"x-api-key": key})


def events(client: Client, query: str = "organization=org-7") -> list[dict[str, Any]]:
    response = client.get(f"{URL}?{query}")
    assert response.status_code == 200, response.content
    rows: list[dict[str, Any]] = response.json()["events"]
    return rows


def ids(client: Client, query: str) -> list[str]:
    return [row["id"] for row in events(client, f"organization=org-7&{query}")]


def problem(client: Client, query: str) -> tuple[int, str, list[str]]:
    response = client.get(f"{URL}?{query}")
    [error] = response.json()["errors"]
    return response.status_code, error["code"], error.get("fields", [])


def test_an_event_is_returned_as_it_was_reported(
    api: Client, recorded: Organization
) -> None:
    project = Project.objects.get(external_id="p-1")

    [row] = [row for row in events(api) if row["id"] == "e-1"]

    assert row == {
        "id": "e-1",
        "organization_id": recorded.pk,
        "organization": "org-7",
        "timestamp": "2026-11-20T23:59:59Z",
        "product": "gpt",
        "project_id": project.pk,
        "project": "p-1",
        "quantities": {"requests": 5},
        "billing_period": 1,
        "recorded_at": row["recorded_at"],
        "void": None,
    }


def test_a_voided_event_says_who_voided_it_and_why(api: Client) -> None:
    [row] = [row for row in events(api) if row["void"]]

    assert row["id"] == "e-5"
    void = row["void"]
    assert (void["by"], void["reason"], void["is_credited"]) == ("ann", "a test", False)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["e-1", "e-2", "e-3", "e-5"]),  # the last 30 days
        ("id=e-4", ["e-4"]),  # of the whole retention
        ("id=e-4&from=2026-11-01", []),
        ("from=2026-11-21", ["e-2"]),
        ("from=2026-07-01&to=2026-11-01", ["e-3", "e-4"]),
        ("from=2026-11-20T23:59:59Z&to=2026-11-21T00:00:00Z", ["e-1"]),
        ("product=gpt-4o", ["e-2"]),
        ("meter=prompt_tokens", ["e-2"]),
        ("meter=requests&product=gpt", ["e-1", "e-3", "e-5"]),
        ("project_id=none", ["e-2", "e-5"]),
        ("project_id=9999999", []),
    ],
)
def test_filters(api: Client, query: str, expected: list[str]) -> None:
    assert ids(api, query) == expected


@pytest.mark.parametrize(
    ("query", "code", "fields"),
    [
        ("", "missing_field", ["organization", "organization_id"]),
        ("organization=org-7&meter=parsecs", "unknown_meter", ["meter"]),
        ("organization=org-7&from=soon", "costs.invalid_date_range", ["from"]),
        ("organization=org-7&from=2026-11-02&to=2026-11-01",
         "costs.invalid_date_range", ["from", "to"]),
        ("organization=org-7&from=2020-01-01",
         "costs.invalid_date_range", ["from", "to"]),
        ("organization=org-7&project_id=x", "invalid_request", ["project_id"]),
        ("organization=org-7&limit=1001", "invalid_request", ["limit"]),
        ("organization=org-7&cursor=x", "invalid_cursor", ["cursor"]),
        ("organization=org-7&organization_id=1", "invalid_request",
         ["organization", "organization_id"]),
        ("organization=org-7&event=e-1", "unknown_parameter", ["event"]),
    ],
)  # fmt: skip
def test_a_bad_filter_is_a_400(
    api: Client, query: str, code: str, fields: list[str]
) -> None:
    assert problem(api, query) == (400, code, fields)


def test_pages_have_every_event_once(api: Client, recorded: Organization) -> None:
    query, listed = f"organization_id={recorded.pk}&from=2026-07-01&limit=2", []
    cursor = ""
    while cursor is not None:
        sent = f"{query}&cursor={cursor}" if cursor else query
        page = api.get(f"{URL}?{sent}").json()
        assert len(page["events"]) <= 2
        listed += [row["id"] for row in page["events"]]
        cursor = page["next_cursor"]

    assert listed == ["e-1", "e-2", "e-3", "e-4", "e-5"]


def test_only_organizations_within_reach_are_found(
    api: Client, recorded: Organization
) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    other = Client(headers={"x-api-key": make_key(decoy, "organizations:read")})
    key = make_key(recorded.white_label, "organizations:read", organization=recorded)
    own = Client(headers={"x-api-key": key})

    assert events(other) == []  # its own org-7
    assert problem(other, f"organization_id={recorded.pk}")[0] == 404
    assert problem(api, "organization=org-77")[0] == 404
    assert len(events(own, "")) == 4
    assert problem(own, "organization=org-9")[0] == 404
    staff = Client()
    staff.force_login(make_user("root", "operator"))
    assert problem(staff, "organization=org-7")[2] == ["organization"]


def test_events_of_a_deleted_organization_are_asked_for(
    api: Client, recorded: Organization
) -> None:
    delete(recorded)

    assert problem(api, "organization=org-7")[0] == 404
    assert len(events(api, "organization=org-7&includeDeleted=true")) == 4


def test_the_answer_is_as_documented(
    api: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    openapi = document()
    content = openapi["paths"][URL]["get"]["responses"]["200"]["content"]
    schema = content["application/json"]["schema"]
    validator = jsonschema_rs.validator_for(
        {**schema, "components": openapi["components"]}, validate_formats=True
    )

    # The first call of a key has three more.
    with django_assert_max_num_queries(11):
        body = api.get(f"{URL}?organization=org-7").json()
    validator.validate(body)


def test_only_the_months_of_the_range_are_read(recorded: Organization) -> None:
    parameters = {
        "organization_id": recorded.pk,
        "start": "2026-11-01T00:00Z",
        "end": "2026-11-21T00:00Z",
        **dict.fromkeys(("event_id", "product", "meter"), ""),
        "project_id": None,
        "limit": 3,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"explain {_EVENTS.format(after='')}", parameters)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "metrics_usageevent_2026_11" in plan
    assert "metrics_usageevent_2026_10" not in plan
