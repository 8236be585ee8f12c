"""API calls with a key skip the middleware for pages; everything else passes it."""

import pytest
from django.test import Client
from pytest_django import Settings

from orgs.models import Organization, WhiteLabel
from tests.factories import make_key, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
URL = "/api/v1/organizations"


@pytest.mark.parametrize("form", ["x-api-key: {}", "authorization: ApiKey {}",
                                  "authorization: bearer {}"])  # fmt: skip
def test_a_key_needs_no_session(acme: WhiteLabel, form: str) -> None:
    name, value = form.split(": ")
    headers = {name: value.format(make_key(acme, "organizations:read"))}

    response = Client().get(URL, headers=headers)

    assert response.status_code == 200
    assert response["Content-Security-Policy"] == (
        "default-src 'none'; frame-ancestors 'none'"
    )
    assert response["X-Content-Type-Options"] == "nosniff"
    assert not response.cookies


def test_a_key_takes_precedence_over_a_session(
    acme: WhiteLabel, org: Organization
) -> None:
    """A session does not help a wrong key, and a key makes a CSRF token unnecessary."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("ada", "operator"))
    assert client.get(URL, headers={"x-api-key": "ei_wrong"}).status_code == 401
    assert client.get(URL).status_code == 200

    key = make_key(acme, "usage:write")
    answer = client.post(
        "/api/v1/usage/events", "[]", "application/json", headers={"x-api-key": key}
    )
    assert answer.status_code == 400


def test_an_api_key_opens_no_page(
    client: Client, acme: WhiteLabel, settings: Settings
) -> None:
    headers = {"x-api-key": make_key(acme, "organizations:read")}
    for page in ("/organizations/", "/admin/"):
        assert client.get(page, headers=headers).status_code == 302
    client.force_login(make_user("ada", "operator"))
    settings.PUBLIC_API_DOCS = False
    assert client.get("/api/docs").status_code == 200
    assert client.get("/api/docs", headers=headers).status_code == 404
