"""Contract A: access to organizations, and the errors of refused requests."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from orgs.models import Organization, WhiteLabel
from tests.factories import make_key
from tests.support.white_label_api import WhiteLabelClient, of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture
def client(acme: WhiteLabel) -> WhiteLabelClient:
    return WhiteLabelClient(acme)


@pytest.fixture
def foreign(acme: WhiteLabel) -> Organization:
    return Organization.objects.get(white_label__slug="decoy", external_id="org-7")


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""), ("POST", ""), ("DELETE", ""),
        ("GET", "/restore"), ("GET", "/jobs"),
        ("GET", "/usage/computeTime?startDate=2026-11-01&endDate=2026-11-02"),
        ("POST", "/usage/reports?startDate=2026-11-01&endDate=2026-11-02"),
        ("GET", "/usage/reports"), ("GET", "/usage/reports/1"),
        ("DELETE", "/usage/reports/1"), ("GET", "/usage/reports/1/download"),
        ("DELETE", "/members/1"),
    ],
)  # fmt: skip
def test_an_organization_outside_the_white_label_is_not_found(
    client: WhiteLabelClient, foreign: Organization, method: str, rest: str
) -> None:
    body: object = {} if method == "POST" else None
    path = of(foreign, rest)

    answer = client.refused(method, path, body)
    assert answer[0] == 404
    unknown = path.replace(str(foreign.pk), "9999", 1)
    assert client.refused(method, unknown, body) == answer
    assert (
        client.refused(method, path.replace(str(foreign.pk), "x%00", 1), body)[0] == 404
    )


def test_an_organization_that_owns_no_white_label_has_none(
    client: WhiteLabelClient, org: Organization, foreign: Organization
) -> None:
    for owner in (org, foreign, foreign.white_label.owner):
        assert owner is not None
        client.root = f"/v1/api/organizations/{owner.pk}/whitelabel"
        assert client.refused("GET", of(org))[0] == 404


def test_reading_and_writing_require_their_scopes(
    acme: WhiteLabel, org: Organization
) -> None:
    reader, writer = (
        WhiteLabelClient(acme, "organizations:read"),
        WhiteLabelClient(acme, "organizations:write"),
    )

    assert reader.refused("POST", of(org), {"name": "x"})[0] == 403
    assert reader.refused("DELETE", of(org))[0] == 403
    assert reader.refused("GET", of(org, "/restore"))[0] == 403
    assert writer.refused("GET", of(org))[0] == 403
    assert (
        WhiteLabelClient(acme, "usage:write").refused("GET", "organizations")[0] == 403
    )


def test_without_a_credential_it_is_a_401(
    client: WhiteLabelClient, org: Organization
) -> None:
    client.headers = {}

    assert client.refused("GET", of(org))[0] == 401
    assert client.refused("POST", "organizations", {"organizationName": "x"})[0] == 401


def test_an_organization_takes_four_queries(
    acme: WhiteLabel,
    org: Organization,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    headers = {"x-api-key": make_key(acme, "organizations:read")}
    path = f"/v1/api/organizations/{acme.owner_id}/whitelabel/organizations/{org.pk}"
    Client().get(path, headers=headers)  # stores the key's last use, once a minute

    # the key with the owner and white label, the organization, its days, its limits
    with django_assert_num_queries(4):
        Client().get(path, headers=headers)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"), (b"\xff", "application/json"),
        (b'{"a": NaN}', "application/json"), (b'{"a": 1, "a": 2}', "application/json"),
        (b"[" * 10_000, "application/json"), (b"{}", "text/plain"),
        (b'{"readme": "' + b"x" * 3_000_000 + b'"}', "application/json"),
        (b'{"entitlementLimits": {"totalStorage": 1e999999999}}', "application/json"),
        (b'{"entitlementLimits": {"totalStorage": -1e-999}}', "application/json"),
        (b"null", "application/json"), (b"a=1", "application/x-www-form-urlencoded"),
    ],
)  # fmt: skip
def test_an_unreadable_body_is_refused(
    client: WhiteLabelClient, org: Organization, body: bytes, content_type: str
) -> None:
    path = f"{client.root}/{of(org)}"

    response = Client().generic(
        "POST", path, body, content_type, headers=client.headers
    )

    assert response.status_code in {400, 413, 415}, response.content
    assert response.json()["success"] is False


def test_every_refusal_is_json(client: WhiteLabelClient, org: Organization) -> None:
    assert client.refused("GET", "nothing/here")[0] == 404
    assert client.refused("PATCH", of(org), {})[0] == 405
    assert client.refused("GET", of(org, "/exports"))[0] == 404
    assert client.refused("GET", of(org, "?includeDeleted=perhaps"))[0] == 400
