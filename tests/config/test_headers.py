"""Headers of every response: each route, errors, static files, and the fast path."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from pytest_django.fixtures import Settings

from config.messages import MessageStorage
from orgs.access.credentials import issue_token
from orgs.models import Organization
from tests.factories import make_key, make_user
from tests.support.wsgi import environ

pytestmark = pytest.mark.django_db
SECURITY = (
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cross-Origin-Opener-Policy",
    "Cache-Control",
)


def paths(resolver: URLResolver | None = None, prefix: str = "/") -> Iterator[str]:
    """Yield a path of every route, with some value for each variable."""
    for pattern in (resolver or get_resolver()).url_patterns:
        path = prefix + _filled(pattern)
        if isinstance(pattern, URLPattern):
            yield path
        else:
            yield from paths(pattern, path)


def _filled(pattern: Any) -> str:
    route = str(pattern.pattern)
    if not isinstance(pattern.pattern, RoutePattern):
        return "x"  # a regular expression of Django admin or allauth
    for name, converter in pattern.pattern.converters.items():
        value = "1" if "int" in type(converter).__name__.lower() else "x"
        start = route.index("<")
        assert name in route[start : route.index(">")]
        route = route[:start] + value + route[route.index(">") + 1 :]
    return route


def missing(response: HttpResponseBase) -> list[str]:
    """Return the headers that a response lacks, or that let caches keep it."""
    lacking = [name for name in SECURITY if name not in response.headers]
    policy = response.headers.get("Cache-Control", "")
    is_storable = "no-store" not in policy and "no-cache" not in policy
    return [*lacking, *(["no-store"] if is_storable else [])]


def _chosen(*, signed_in: bool) -> Iterator[str]:
    """Yield every path but those of models in the admin, which one view makes alike.

    To a person who is signed in, those that Django, allauth, and files answer.
    """
    for path in paths():
        is_model = path.startswith("/admin/") and path.count("/") > 2
        if is_model and not path.startswith("/admin/orgs/user/"):
            continue
        is_foreign = path.startswith(("/accounts/", "/admin/")) or ".csv" in path
        is_costly = path.startswith(("/api/docs", "/api/openapi")) or "logout" in path
        if not is_costly and (is_foreign or not signed_in):
            yield path


@pytest.mark.slow
@pytest.mark.parametrize("signed_in", [False, True])
def test_every_route_has_the_headers(signed_in: bool) -> None:
    client = Client(raise_request_exception=False)
    if signed_in:
        client.force_login(make_user("root", is_superuser=True))
    wrong = {}
    for path in sorted(set(_chosen(signed_in=signed_in))):
        response = client.get(path)
        if lacking := missing(response):
            wrong[path] = lacking
        response.close()
    assert wrong == {}


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [("get", "/", "evil.example", 400), ("get", "/webhooks/stripe/", "", 405),
     ("get", "/api/v1/usage/events", "", None), ("get", "/api/nothing", "", 404),
     ("get", "/v1/nothing", "", 404), ("put", "/accounts/login/", "", None),
     ("get", "/healthz", "", 200), ("get", "/livez", "", 200),
     ("get", "/static/nothing.css", "", 404)],
)  # fmt: skip
def test_errors_have_the_headers(
    method: str, path: str, host: str, status: int | None
) -> None:
    headers = {"host": host} if host else {}
    response = getattr(Client(raise_request_exception=False), method)(
        path, headers=headers
    )
    assert status in (None, response.status_code)
    assert missing(response) == []


def test_a_crash_has_the_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.views.HttpResponse", None)
    response = Client(raise_request_exception=False).get("/healthz")
    assert response.status_code == 500
    assert missing(response) == []


def test_static_files_have_a_policy_and_may_be_cached(
    settings: Settings, tmp_path: Path
) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = False
    (tmp_path / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")

    started: list[Any] = []

    def start(*given: Any) -> Any:
        started.append(given)

    response = WSGIHandler()(environ("/static/logo.svg"), start)
    response.close()
    headers = dict(started[0][1])

    assert started[0][0].startswith("200 ")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "public" in headers["Cache-Control"]
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("get", "/api/v1/organizations/1", {"x-api-key": "ei_1"}, 403),
        ("get", "/api/v1/organizations/1/access", {"x-api-key": "ei_1"}, 403),
        ("get", "/api/v1/organizations/1", {"authorization": "Bearer 1"}, 403),
        ("get", "/", {"authorization": "Basic 1"}, 403),
        ("get", "/api/v1/organizations/1", {"cookie": "jwt=1"}, 403),
        ("post", "/accounts/login/", {}, 403),
        ("post", "/api/v1/users/auth/_login", {}, 403),
        ("get", "/accounts/login/", {}, 301),
        ("post", "/webhooks/stripe/", {}, 404),
    ],
)
def test_a_credential_without_tls_is_refused_and_not_redirected(
    settings: Settings, method: str, path: str, sent: dict[str, str], status: int
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = getattr(Client(), method)(path, headers=sent)
    assert response.status_code == status
    if status == 403:
        assert b"https" in response.content


def test_a_write_by_the_token_cookie_needs_a_csrf_token(org: Organization) -> None:
    token = issue_token(make_user("op", "operator"))
    url = f"/api/v1/organizations/{org.pk}"
    body = {"data": {"rate_limit": 321}, "content_type": "application/json"}

    for cookie in (f"jwt={token}", token):
        client = Client(enforce_csrf_checks=True)
        headers = {"cookie": cookie, "origin": "https://evil.example"}
        response = client.patch(url, **body, headers=headers)  # type: ignore[arg-type]
        assert response.status_code == 403
        assert client.get(url, headers={"cookie": cookie}).status_code == 200
        by_header = client.patch(url, **body, headers={"x-jwt-token": token})  # type: ignore[arg-type]
        assert by_header.status_code == 200


def test_the_fast_path_and_pages_agree_on_caches(org: Organization) -> None:
    key = make_key(org.white_label, "organizations:read")
    response = Client().get(
        f"/api/v1/organizations/{org.pk}/access", headers={"x-api-key": key}
    )
    assert missing(response) == []


def test_messages_are_in_a_cookie_of_this_host() -> None:
    cookie = MessageStorage.storage_classes[0]
    assert cookie.cookie_name == "messages"  # without TLS; `__Host-messages` with it
