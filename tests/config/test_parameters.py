"""Query parameters: unknown ones are refused; deleted rows must be asked for."""

from collections import defaultdict
from typing import Any

import pytest
from django.test import Client

from config.openapi.document import document
from orgs.catalog import Scope
from orgs.models import Organization, WhiteLabel
from tests.factories import delete, make_key, make_organization
from tests.support.costs_api import make_billed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
OURS = "/api/v1/organizations/{organization_id}"
COSTS = "/api/v1/billing/costs/{organization_id}"
LABEL = "/v1/api/organizations/{organization_id}/whitelabel"


@pytest.fixture
def api(acme: WhiteLabel) -> Client:
    return Client(headers={"x-api-key": make_key(acme, *Scope)})


def operations() -> list[tuple[str, str]]:
    """Return the method and path of each operation that ignores nothing."""
    return [
        (method, path)
        for path, methods in document()["paths"].items()
        if not path.startswith(("/api/v1/billing/costs/", "/v1/api"))
        for method in methods
    ]


def test_every_operation_of_ours_and_contract_b_refuses_an_unknown_parameter(
    api: Client, org: Organization
) -> None:
    answers = {}
    for method, path in operations():
        values = {"organization_id": org.id, "table": "members"}
        url = path.format_map(defaultdict(lambda: 1, values))
        response = api.generic(method, f"{url}?colour=red", "{}", "application/json")
        is_named = b"unknown_parameter" in response.content and b"colour" in (
            response.content
        )
        answers[method, path] = response.status_code if is_named else "accepted"

    strange = {
        key: status for key, status in answers.items() if status not in (400, 422)
    }
    assert len(answers) > 30
    assert not strange
    assert answers["get", "/v1/orgs/list"] == 422


def test_an_unknown_parameter_is_refused_after_the_caller(org: Organization) -> None:
    response = Client().get(f"/api/v1/organizations/{org.id}?colour=red")

    assert response.status_code == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{COSTS}/charts?granularity=day&c", 200),
        (f"{LABEL}/organizations?search=a&c", 200),
        (f"{COSTS}/charts?From=2026-11-01", 400),
        (f"{COSTS}/charts?bucketingStrategy=daily", 400),
        (f"{COSTS}/charts?include_deleted=true", 400),
        (f"{LABEL}/organizations?include_deleted=true", 400),
        (f"{LABEL}/organizations?IncludeDeleted=true", 400),
        ("/api/v1/account?includeDeleted=true", 400),
        (f"{COSTS}/charts?includeDeleted=yes", 400),
        (f"{OURS}/usage?includeDeleted=2", 400),
    ],
)
def test_contracts_ignore_foreign_parameters_but_not_their_own_misspelled(
    api: Client, acme: WhiteLabel, path: str, status: int
) -> None:
    response = api.get(path.format(organization_id=acme.owner_id))

    assert response.status_code == status, response.content


READS = [
    *(f"{COSTS}{path}" for path in ("", "/charts", "/items", "/deployments")),
    f"{COSTS}/deployments/none/charts",
    *(f"{OURS}{path}" for path in ("/usage", "/costs.csv", "/metrics.csv")),
    *(f"{OURS}/costs/difference", f"{OURS}/tables/charges.csv", f"{OURS}/members"),
]


@pytest.mark.parametrize("path", READS)
def test_the_money_of_a_deleted_organization_is_read_if_it_is_asked_for(
    api: Client, acme: WhiteLabel, path: str
) -> None:
    deleted = make_organization(acme, "org-20")
    make_billed(acme, deleted) if path == COSTS else None
    delete(deleted)
    url = path.format(organization_id=deleted.id)

    assert api.get(url).status_code == 404
    assert api.get(f"{url}?includeDeleted=FALSE").status_code == 404
    assert api.get(f"{url}?includeDeleted=True").status_code == 200


def test_usage_is_grouped_as_asked(api: Client, acme: WhiteLabel, org: Any) -> None:
    make_billed(acme, org)

    def ids(query: str) -> set[str]:
        data = api.get(f"{OURS.format(organization_id=org.id)}/usage?{query}").json()
        return {value["id"] for point in data["data"] for value in point["values"]}

    assert ids("group_by=product") == ids("by=product") == {"gpt", "a100", "disk"}
    assert (
        ids("group_by=meter")
        == ids("")
        == {*("requests", "gpu_seconds", "storage_bytes_added")}
    )
    assert len(ids("group_by=project")) == 2
    url = f"{OURS.format(organization_id=org.id)}/usage"
    assert api.get(f"{url}?group_by=product&by=meter").status_code == 400
    assert api.get(f"{url}?group_by=color").json()["errors"][0]["fields"] == [
        "group_by"
    ]
