"""Single sign-on with a real provider on this machine."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.contrib.admin import site
from django.test import Client
from pytest_django import Settings

from config.sso import discovery, requests
from config.sso.options import SsoOptions, read_grants
from orgs.access.credentials import issue_token
from orgs.models import SecurityEvent, User, WhiteLabel
from tests.factories import make_user
from tests.support.factors import PASSWORD, add_app, code_at, with_password
from tests.support.oidc import Provider, running_provider

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("frozen"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the provider
]
SECRET = "canary-of-the-client"
GRANTS = "/billing=finance,/support=support@acme,/other=viewer@decoy,/root=superuser"
CLAIMS = {
    "email": "ada@example.com",
    "email_verified": True,
    "preferred_username": "ada",
    "given_name": "Ada",
    "groups": ["/billing"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(server: Provider, settings: Settings) -> Provider:
    settings.SSO = SsoOptions(
        server.issuer, "orgdesk", SECRET, name="Keycloak", grants=read_grants(GRANTS)
    )
    discovery._DOCUMENTS.clear()
    return server


def log_in(provider: Provider, client: Client | None = None, **claims: Any) -> Any:
    """Log Ada in with these claims, and return the answer of the callback."""
    client = client or Client()
    provider.know("ada-1", **{**CLAIMS, **claims})
    away = client.get("/accounts/sso/login/?next=/organizations/")
    back = provider.authorize(away.headers["Location"], "ada-1")
    return client.get(back.removeprefix("http://testserver"))


def reason_of(answer: Any) -> str:
    context = answer.context
    return str(context["reason"]) if context else f"none: {answer.status_code}"


def test_a_first_login_creates_an_account_with_the_roles_of_its_groups(
    provider: Provider,
) -> None:
    answer = log_in(provider)
    user = User.objects.get(username="ada")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/organizations/")
    assert [group.name for group in user.groups.all()] == ["finance"]
    assert (user.email, user.is_staff, user.is_superuser) == (
        "ada@example.com",
        True,
        False,
    )
    assert not user.has_usable_password()
    assert answer.client.get("/organizations/").status_code == 200
    assert log_in(provider).status_code == 302
    assert User.objects.count() == 1
    assert not SocialAccount.objects.get().extra_data


@pytest.mark.usefixtures("acme")
def test_roles_and_white_label_follow_the_groups_at_each_login(
    provider: Provider,
) -> None:
    first = log_in(provider).client
    log_in(provider, groups=["/support"])
    user = User.objects.get(username="ada")

    assert user.white_label == WhiteLabel.objects.get(slug="acme")
    assert [group.name for group in user.groups.all()] == ["support"]
    assert first.get("/organizations/").status_code == 302  # the other session ended


def test_a_person_who_left_all_groups_loses_roles_and_sessions(
    provider: Provider,
) -> None:
    first = log_in(provider).client
    answer = log_in(provider, groups=["/cooks"])
    user = User.objects.get(username="ada")

    assert (answer.status_code, reason_of(answer)) == (403, "no_role")
    assert not user.groups.exists()
    assert not user.is_staff
    assert first.get("/organizations/").status_code == 302
    assert SecurityEvent.objects.filter(kind="roles_changed").exists()


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"groups": ["/cooks"]}, "no_role"),
        ({"groups": None}, "no_role"),
        ({"email_verified": False}, "address_not_verified"),
        ({"email_verified": None}, "address_not_verified"),
        ({"email": ""}, "address_not_verified"),
        ({"groups": ["/support", "/other"]}, "several_white_labels"),
        ({"groups": ["/support", "/billing"]}, "several_white_labels"),
        ({"groups": ["/support"]}, "unknown_white_label"),
    ],
)
def test_who_is_refused_gets_no_account(
    provider: Provider, claims: dict[str, Any], reason: str
) -> None:
    answer = log_in(provider, **claims)

    assert (answer.status_code, reason_of(answer)) == (403, reason)
    assert not User.objects.exists()
    assert "_auth_user_id" not in answer.client.session
    [event] = SecurityEvent.objects.filter(kind="single_sign_on_refused")
    assert event.details == {"reason": reason}


def test_an_account_is_linked_by_its_verified_address_once(provider: Provider) -> None:
    user = make_user("countess", "viewer")
    User.objects.filter(pk=user.pk).update(email="Ada@Example.com")

    assert log_in(provider).status_code == 302
    assert SocialAccount.objects.get().user == user
    assert log_in(provider, email="other@example.com").status_code == 302
    assert User.objects.count() == 1


@pytest.mark.parametrize("groups", [["/billing"], ["/cooks"]])
def test_a_superuser_is_not_linked_without_a_group_of_superusers(
    provider: Provider, groups: list[str]
) -> None:
    user = make_user("ada", is_superuser=True)
    answer = log_in(provider, groups=groups)
    user.refresh_from_db()

    assert answer.status_code == 403
    assert user.is_superuser
    assert not SocialAccount.objects.exists()


def test_a_named_group_makes_superusers_and_unmakes_them(provider: Provider) -> None:
    make_user("root", is_superuser=True)
    log_in(provider, groups=["/root"])
    assert User.objects.get(username="ada").is_superuser

    log_in(provider)
    assert not User.objects.get(username="ada").is_superuser


def test_a_superuser_stays_out_if_no_group_makes_superusers(
    provider: Provider, settings: Settings
) -> None:
    log_in(provider)
    User.objects.filter(username="ada").update(is_superuser=True)
    settings.SSO = replace(settings.SSO, grants=read_grants("/billing=finance"))

    assert reason_of(log_in(provider)) == "superuser"
    assert User.objects.get(username="ada").is_superuser


def test_a_disabled_account_stays_out(provider: Provider) -> None:
    log_in(provider)
    User.objects.update(is_active=False)

    assert reason_of(log_in(provider)) == "disabled"
    assert not User.objects.get().is_active


def test_without_roles_the_provider_only_authenticates(
    provider: Provider, settings: Settings
) -> None:
    settings.SSO = replace(settings.SSO, grants=())
    assert reason_of(log_in(provider)) == "no_account"
    make_user("ada", "viewer")

    assert log_in(provider, groups=["/cooks"]).status_code == 302
    assert [g.name for g in User.objects.get().groups.all()] == ["viewer"]


@pytest.mark.parametrize(
    ("claims", "opens"),
    [
        ({}, False),
        ({"amr": ["pwd"]}, False),
        ({"amr": ["pwd", "otp"]}, True),
        ({"amr": ["mfa"]}, True),
        ({"acr": "phr"}, True),
        ({"acr": "1"}, False),
    ],
)
def test_the_provider_has_to_state_two_factors(
    provider: Provider, settings: Settings, claims: dict[str, Any], *, opens: bool
) -> None:
    settings.REQUIRE_TWO_FACTOR = True
    answer = log_in(provider, **claims).client.get("/organizations/")
    api = answer.client.get("/api/v1/organizations")

    statuses = (answer.status_code, api.status_code)
    assert statuses == ((200, 200) if opens else (302, 403))
    assert opens or answer.headers["Location"] == "/accounts/2fa/"


def test_a_setting_states_that_the_provider_requires_two_factors(
    provider: Provider, settings: Settings
) -> None:
    settings.REQUIRE_TWO_FACTOR = True
    settings.SSO = replace(settings.SSO, enforces_two_factor=True)

    assert log_in(provider).client.get("/organizations/").status_code == 200


def test_an_account_without_a_password_can_set_up_a_second_factor(
    provider: Provider, settings: Settings
) -> None:
    settings.REQUIRE_TWO_FACTOR = True
    client = log_in(provider).client

    for page in ("totp/activate/", "webauthn/add/"):
        assert client.get(f"/accounts/2fa/{page}").status_code == 200


def test_an_own_second_factor_is_asked_for_after_the_provider(
    provider: Provider,
) -> None:
    log_in(provider)
    add_app(User.objects.get())
    answer = log_in(provider)

    assert answer.headers["Location"].startswith("/accounts/2fa/authenticate/")
    assert answer.client.get("/organizations/").status_code == 302
    answer.client.post("/accounts/2fa/authenticate/", {"code": code_at()})
    assert answer.client.get("/organizations/").status_code == 200


@pytest.mark.parametrize("change", ["state", "other browser", "twice", "iss", "denied"])
def test_an_answer_that_is_not_of_this_login_is_refused(
    provider: Provider, change: str
) -> None:
    client = Client()
    provider.know("ada-1", **CLAIMS)
    away = client.get("/accounts/sso/login/").headers["Location"]
    back = provider.authorize(away, "ada-1").removeprefix("http://testserver")
    match change:
        case "state":
            back = back.replace("state=", "state=x")
        case "other browser":
            client = Client()
        case "twice":
            client.get(back)
            client.logout()
        case "iss":
            back += "&iss=https://evil.example"
        case "denied":
            back = provider.deny(away).removeprefix("http://testserver")
    answer = client.get(back)

    assert (answer.status_code, reason_of(answer)) == (401, "invalid")
    assert "_auth_user_id" not in client.session


def test_the_request_has_pkce_state_and_nonce_and_takes_nothing_from_the_link(
    provider: Provider,
) -> None:
    path = "/accounts/sso/login/?process=connect&scope=admin&auth_params=prompt%3Dnone"
    location = Client().get(path).headers["Location"]

    assert location.startswith(f"{provider.issuer}/oauth2/authorize?")
    for part in ("code_challenge_method=S256", "state=", "nonce=", "code_challenge="):
        assert part in location
    assert "admin" not in location
    assert "prompt" not in location
    assert SECRET not in location


def test_a_provider_that_is_down_or_slow_has_a_page_within_the_deadline(
    provider: Provider, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SSO = replace(settings.SSO, issuer="http://localhost:9")
    answer = Client().get("/accounts/sso/login/")
    assert (answer.status_code, reason_of(answer)) == (503, "unavailable")

    settings.SSO = replace(settings.SSO, issuer=provider.issuer)
    monkeypatch.setattr(requests, "DEADLINE_SECONDS", 0.0)
    assert Client().get("/accounts/sso/login/").status_code == 503


def test_few_requests_wait_for_the_provider_at_once(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert requests._AT_ONCE.acquire(blocking=False)
    try:
        assert Client().get("/accounts/sso/login/").status_code == 503
    finally:
        requests._AT_ONCE.release(2)


def test_the_secret_is_in_no_log_page_or_table(
    provider: Provider, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = log_in(provider)
        log_in(provider, groups=[])
    page = answer.client.get("/accounts/login/", follow=True)

    assert SECRET not in caplog.text
    assert SECRET not in page.content.decode()
    assert SECRET not in repr(settings.SSO)
    assert not SocialApp.objects.exists()
    assert SocialApp not in site._registry


# --- single sign-on only ----------------------------------------------------------


@pytest.fixture
def only(provider: Provider, settings: Settings) -> None:
    settings.SSO_ONLY = True
    settings.SSO_BREAK_GLASS = frozenset({"rescue"})


@pytest.mark.usefixtures("only")
@pytest.mark.parametrize(("name", "status"), [("ada", 403), ("rescue", 200)])
def test_passwords_are_refused_but_of_a_named_account(name: str, status: int) -> None:
    with_password(make_user(name, "viewer"))
    sent = {"username": name, "password": PASSWORD}
    for url in ("/v1/api-login", "/api/v1/users/auth/_login"):
        answer = Client().post(url, sent, content_type="application/json")
        assert answer.status_code == status
    client = Client()
    client.post("/accounts/login/", {"login": name, "password": PASSWORD})

    assert ("_auth_user_id" in client.session) is (status == 200)


@pytest.mark.usefixtures("only")
def test_single_sign_on_itself_works_and_earlier_tokens_do_not(
    provider: Provider,
) -> None:
    assert log_in(provider).status_code == 302
    token = issue_token(User.objects.get())
    answer = Client().get(
        "/api/v1/organizations", headers={"authorization": f"Bearer {token}"}
    )

    assert answer.headers["x-cloud-error-codes"] == "single_sign_on_required"


def test_without_a_provider_there_is_nothing_of_it(settings: Settings) -> None:
    settings.SSO = None
    urls = ["/accounts/sso/login/", "/accounts/sso/callback/", "/accounts/3rdparty/"]
    urls += ["/accounts/3rdparty/signup/", "/accounts/social/signup/"]

    assert {Client().get(url).status_code for url in urls} == {404}
