"""Responses with numbers match the types in the OpenAPI document."""

from typing import Any

import jsonschema_rs
import pytest
from django.test import Client

from config.openapi.document import document
from orgs.models import Organization, WhiteLabel
from tests.factories import make_key
from tests.support.costs_api import make_billed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
_COSTS = "/api/v1/billing/costs/{organization_id}"


def checked(method: str, path: str) -> Any:
    """Return the validator of a 200 response from the OpenAPI document."""
    openapi = document()
    schema = openapi["paths"][path][method]["responses"]["200"]["content"]
    return jsonschema_rs.validator_for(
        {**schema["application/json"]["schema"], "components": openapi["components"]},
        validate_formats=True,
    )


@pytest.mark.parametrize(
    "path",
    [
        _COSTS,
        _COSTS + "/charts",
        _COSTS + "/items",
        _COSTS + "/deployments",
        _COSTS + "/deployments/{deployment_id}/items",
        _COSTS + "/deployments/{deployment_id}/charts",
        "/api/v1/account",
        "/v1/orgs/current",
        "/v1/orgs/list",
    ],
)
def test_responses_to_reads_are_as_documented(
    acme: WhiteLabel, org: Organization, client: Client, path: str
) -> None:
    make_billed(acme, org)
    key = make_key(acme, "billing:read", "organizations:read", organization=org)
    url = path.format(organization_id=org.id, deployment_id="none")

    response = client.get(url, headers={"authorization": f"ApiKey {key}"})

    checked("get", path).validate(response.json())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/orgs/integrations", {"loki": None}),
        ("/v1/billing/limits", {"spending_limit_soft": 7}),
    ],
)
def test_responses_to_writes_are_as_documented(
    org: Organization, client: Client, path: str, body: dict[str, Any]
) -> None:
    scopes = ("integrations:write", "billing:write")
    key = make_key(org.white_label, *scopes, organization=org)

    response = client.put(path, body, "application/json", headers={"x-api-key": key})

    checked("put", path).validate(response.json())
