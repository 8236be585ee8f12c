"""Pages of accounts without a second factor, and how they get one."""

import re

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.admin import site
from django.db import connection
from django.test import Client, TestCase
from django.urls import reverse
from pytest_django import Settings

from orgs.models import User
from tests.factories import make_user
from tests.support.factors import (
    PASSWORD,
    SEED,
    add_app,
    add_recovery_codes,
    code_at,
    with_password,
)
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
ENROLLMENT = "/accounts/2fa/"


@pytest.fixture
@snapshot
def person(db: None) -> User:
    return with_password(make_user("root", is_superuser=True))


@pytest.fixture
def required(settings: Settings) -> None:
    settings.REQUIRE_TWO_FACTOR = True


def log_in(**login: str) -> Client:
    client = Client()
    sent = {"login": "root", "password": PASSWORD, **login}
    assert client.post("/accounts/login/", sent).status_code == 302
    return client


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/organizations/", "/organizations.csv", "/api-keys/", "/history/"),
        *("/admin/", "/admin/orgs/user/add/?_popup=1", "/admin/jsi18n/"),
        *("/accounts/email/", "/search/", "/exports/", "/components/"),
    ],
)
def test_a_password_alone_leads_to_enrollment(person: User, path: str) -> None:
    client = log_in()
    page, posted = client.get(path), client.post(path)
    fragment = client.get(path, headers={"HX-Request": "true"})

    assert (page.status_code, page.headers["Location"]) == (302, ENROLLMENT)
    assert (posted.status_code, posted.headers["Location"]) == (302, ENROLLMENT)
    assert fragment.status_code == 403
    assert fragment.headers["HX-Redirect"] == ENROLLMENT
    assert fragment.content == b""


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize(
    "name", ["mfa_index", "account_logout", "account_change_password"]
)
def test_enrollment_logout_and_password_stay_open(person: User, name: str) -> None:
    assert log_in().get(reverse(name)).status_code == 200


@pytest.mark.usefixtures("required")
def test_the_login_of_the_admin_opens_nothing_more(person: User) -> None:
    client = Client()
    client.post("/admin/login/", {"username": "root", "password": PASSWORD})

    assert "_auth_user_id" not in client.session
    assert log_in().get("/admin/login/", follow=True).redirect_chain[-1] == (
        ENROLLMENT,
        302,
    )


@pytest.mark.usefixtures("required")
def test_pages_without_a_login_treat_the_account_as_anonymous(
    person: User, settings: Settings
) -> None:
    settings.PUBLIC_API_DOCS = False

    assert log_in().get("/api/docs").status_code == 404


def enroll(client: Client, code: str = "") -> int:
    """Set up an authenticator app on the pages, and return the status of the last."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    seed = page.context["form"].secret
    sent = {"code": code or code_at(seed=seed)}
    with TestCase.captureOnCommitCallbacks(execute=True):
        return client.post("/accounts/2fa/totp/activate/", sent).status_code


@pytest.mark.usefixtures("required")
def test_enrollment_opens_the_pages_and_ends_other_sessions(person: User) -> None:
    client, other = log_in(), log_in()

    assert enroll(client, "000000") == 200
    assert not Authenticator.objects.exists()
    assert enroll(client) == 302
    assert client.get("/organizations/").status_code == 200
    answer = other.get("/organizations/")
    assert answer.headers["Location"].startswith("/accounts/login/")


@pytest.mark.usefixtures("required")
def test_the_code_of_an_enrollment_is_used_up(person: User) -> None:
    client = log_in()
    assert enroll(client) == 302
    seed = Authenticator.objects.get(type="totp").data["secret"]
    again = log_in()

    refused = again.post("/accounts/2fa/authenticate/", {"code": code_at(seed=seed)})
    assert refused.context["form"].errors
    assert "_auth_user_id" not in again.session
    later = {"code": code_at(1, seed=seed)}
    assert again.post("/accounts/2fa/authenticate/", later).status_code == 302
    assert again.get("/organizations/").status_code == 200


@pytest.mark.usefixtures("required")
def test_losing_the_last_factor_leads_back_to_enrollment(person: User) -> None:
    add_app(person)
    add_recovery_codes(person)
    client = log_in()
    client.post("/accounts/2fa/authenticate/", {"code": code_at()})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 302

    assert not Authenticator.objects.exists()
    assert client.get("/organizations/").headers["Location"] == ENROLLMENT


def test_seeds_codes_and_passkeys_are_encrypted_at_rest(person: User) -> None:
    client = log_in()
    enroll(client)
    seed = Authenticator.objects.get(type="totp").data["secret"]
    with connection.cursor() as cursor:
        cursor.execute("select data from mfa_authenticator")
        stored = str(cursor.fetchall())

    assert len(re.findall("encrypted", stored)) == 2
    assert seed not in stored
    assert "seed" not in stored.replace("encrypted", "")
    assert "secret" not in stored


def test_the_seed_that_waits_for_its_first_code_is_encrypted(person: User) -> None:
    client = log_in()
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")

    assert page.context["form"].secret not in str(dict(client.session))
    assert page.headers["Cache-Control"] == "private, no-store"


def test_the_admin_does_not_show_second_factors() -> None:
    assert Authenticator not in site._registry
    assert SEED
