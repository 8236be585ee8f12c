"""Error formats: JSON for API clients, a page for people."""

import logging
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from metrics.api import costs as costs_api
from orgs.models import Organization, User, WhiteLabel
from tests.factories import make_key, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture
def lenient(client: Client) -> Client:
    client.raise_request_exception = False
    return client


def error_of(response: Any) -> str:
    """Return the code of an error in the format of contract C."""
    assert response["Content-Type"] == "application/json"
    assert response["X-Request-ID"]
    [error] = response.json()["errors"]
    assert set(error) <= {"code", "message", "fields"}
    assert response["x-cloud-error-codes"] == error["code"]
    return str(error["code"])


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api/", "/api/v2/x", "/api/v1/organizations/1/2/3"]
)
def test_an_unknown_url_of_the_api_is_a_json_404(lenient: Client, path: str) -> None:
    response = lenient.get(path)

    assert (response.status_code, error_of(response)) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/nothing", "/webhooks/nothing"])
def test_an_unknown_url_of_the_contracts_is_a_json_404(
    lenient: Client, path: str
) -> None:
    response = lenient.get(path)

    assert response.status_code == 404
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_wrong_method_is_a_405_that_lists_the_allowed_ones(
    lenient: Client, method: str
) -> None:
    response = getattr(lenient, method)("/api/v1/billing/costs/1/charts")

    assert response.status_code == 405
    assert "GET" in response["Allow"]
    error_of(response)


def test_a_crash_is_json_without_internal_details(
    acme: WhiteLabel,
    org: Organization,
    lenient: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("select secret from accounts")

    monkeypatch.setattr(costs_api, "cost_digits", crash)
    key = make_key(acme, "billing:read")

    with caplog.at_level(logging.ERROR):
        response = lenient.get(
            f"/api/v1/billing/costs/{org.id}/charts",
            headers={"x-api-key": key},
        )

    assert response.status_code == 500
    assert error_of(response) == "billing_service.failed_request"
    assert response["X-Request-ID"] in caplog.text
    assert b"secret" not in response.content
    assert key not in caplog.text
    assert "request_failed" in caplog.text


def test_an_unavailable_database_is_a_503_with_a_retry_time(
    acme: WhiteLabel,
    org: Organization,
    lenient: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(costs_api, "cost_digits", away)

    response = lenient.get(
        f"/api/v1/billing/costs/{org.id}/charts",
        headers={"x-api-key": make_key(acme, "billing:read")},
    )

    assert (response.status_code, error_of(response)) == (503, "unavailable")
    assert response["Retry-After"] == "5"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "\n", "é", "ok-1.2_3"])
def test_the_id_of_a_request_is_never_that_of_the_caller(
    lenient: Client, sent: str
) -> None:
    response = lenient.get("/api/v1/nothing", headers={"x-request-id": sent})

    assert len(response["X-Request-ID"]) == 32


def test_errors_of_pages_are_pages(lenient: Client, org: Organization) -> None:
    lenient.force_login(make_user("ann", "viewer"))

    for path in ("/nothing", "/organizations/0/", "/organizations/1/nothing/"):
        response = lenient.get(path)
        assert response.status_code == 404
        assert response["Content-Type"].startswith("text/html")
        assert b"<h1" in response.content


@pytest.mark.parametrize(
    "path", ["/organizations/?q=%00", "/organizations/?q=%ff", "/exports/?x=%00"]
)
def test_odd_bytes_never_crash_a_page(lenient: Client, path: str) -> None:
    lenient.force_login(make_user("ann", "viewer"))

    assert lenient.get(path).status_code in {200, 400}


@pytest.mark.parametrize("path", ["/%00", "/api/%00", "/v1/%00", "/organizations/%00"])
def test_a_nul_in_a_path_is_a_404(lenient: Client, path: str) -> None:
    lenient.force_login(make_user("ann", "viewer"))

    assert lenient.get(path).status_code == 404


def test_a_nul_in_the_login_form_does_not_crash(lenient: Client, db: None) -> None:
    response = lenient.post("/accounts/login/", {"login": "a\x00", "password": "b\x00"})

    assert response.status_code == 200
    assert b"<form" in response.content


def test_error_pages_keep_the_navigation_without_the_database(
    lenient: Client, acme: WhiteLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user("person", "viewer", white_label=acme)
    lenient.force_login(User.objects.get(username="person"))

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("orgs.views.history.page_or_fragment", fail)
    answers = [lenient.get(path) for path in ("/nowhere/", "/api-keys/", "/history/")]

    assert [answer.status_code for answer in answers] == [404, 403, 500]
    for answer in answers:
        assert '<nav class="side__nav"' in answer.text
        assert 'href="/organizations/"' in answer.text
        assert 'href="/api-keys/"' not in answer.text
    assert '<nav class="side__nav"' not in Client().get("/nowhere/").text


def test_the_page_of_a_crash_before_the_user_is_known_asks_no_database(
    lenient: Client, acme: WhiteLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    lenient.force_login(make_user("person", "viewer", white_label=acme))
    monkeypatch.setattr("orgs.access.backends.RoleBackend.get_user", fail)

    answer = lenient.get("/history/")

    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
