"""The second factor of API logins: required, sent once, and what it ends."""

import base64
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from orgs.access.backends import RoleBackend
from orgs.access.credentials import issue_token
from orgs.access.second_factor import has_second_factor
from orgs.commands.factors import use_code
from orgs.models import Organization, User
from tests.factories import make_user
from tests.support.factors import (
    PASSWORD,
    add_app,
    add_passkey,
    add_recovery_codes,
    code_at,
    with_password,
)
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture
@snapshot
def person(db: None) -> User:
    return with_password(make_user("fin", "finance"))


@pytest.fixture
def required(settings: Settings) -> None:
    settings.REQUIRE_TWO_FACTOR = True


def post(url: str, **body: Any) -> tuple[int, str]:
    response = Client().post(url, body, content_type="application/json")
    return response.status_code, response.headers.get("x-cloud-error-codes", "")


def log_in(url: str = "/v1/api-login", code: str = "", **body: str) -> tuple[int, str]:
    sent = {"username": "fin", "password": PASSWORD, **body}
    return post(url, **(sent | {"totpToken": code} if code else sent))


def basic(org: Organization) -> Any:
    encoded = base64.b64encode(f"fin:{PASSWORD}".encode()).decode()
    return read(org, authorization=f"Basic {encoded}")


def read(org: Organization, **headers: str) -> tuple[int, str]:
    url = f"/api/v1/organizations/{org.pk}"
    answer = Client().get(url, headers=headers)
    return answer.status_code, answer.headers.get("x-cloud-error-codes", "")


REFUSED = (403, "two_factor_required")
LOGINS = ("/v1/api-login", "/api/v1/users/auth/_login")


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("url", LOGINS)
def test_a_password_alone_gets_no_token(person: User, url: str) -> None:
    assert log_in(url) == REFUSED
    assert log_in(url, password="wrong")[0] == 401


@pytest.mark.usefixtures("required")
def test_no_credential_of_an_account_without_a_second_factor_works(
    org: Organization, person: User
) -> None:
    token = issue_token(person)
    session = Client()
    session.force_login(person)
    answer = session.get(f"/api/v1/organizations/{org.pk}")

    assert basic(org) == REFUSED
    assert read(org, authorization=f"Bearer {token}") == REFUSED
    assert read(org, cookie=f"jwt={token}") == REFUSED
    assert (answer.status_code, answer.headers["x-cloud-error-codes"]) == REFUSED
    renewed = Client().post(
        "/api/v1/users/auth/_refresh", headers={"authorization": f"Bearer {token}"}
    )
    assert (renewed.status_code, renewed.headers["x-cloud-error-codes"]) == REFUSED


@pytest.mark.usefixtures("required")
def test_recovery_codes_alone_are_no_second_factor(person: User) -> None:
    add_recovery_codes(person)

    assert log_in() == REFUSED


@pytest.mark.usefixtures("required")
def test_a_login_with_a_code_gets_a_token(person: User) -> None:
    add_app(person)

    assert log_in(code=code_at())[0] == 200
    assert log_in()[0] == 401


def test_a_code_works_once_at_all_entry_points_and_earlier_ones_no_longer(
    person: User, frozen: time_machine.Traveller
) -> None:
    add_app(person)
    code, earlier = code_at(), code_at(-1)

    assert log_in(code=f" {code[:3]} {code[3:]} ")[0] == 200
    assert log_in(code=code)[0] == 401
    assert log_in(code=earlier)[0] == 401
    frozen.shift(31)
    assert log_in(code=code)[0] == 401
    assert use_code(person, code) is None
    assert use_code(person, code_at()) is not None


def test_a_code_of_the_step_before_works_and_older_ones_do_not(person: User) -> None:
    add_app(person)

    assert use_code(person, code_at(-2)) is None
    assert use_code(person, code_at(2)) is None
    assert use_code(person, code_at(-1)) is not None
    assert use_code(person, "") is None


@pytest.mark.usefixtures("required")
def test_an_account_with_passkeys_only_sends_a_recovery_code(
    org: Organization, person: User
) -> None:
    add_passkey(person)
    codes = add_recovery_codes(person)

    assert log_in() == (403, "two_factor_code_unavailable")
    assert basic(org) == (403, "two_factor_code_unavailable")
    assert log_in(password="wrong")[0] == 401
    assert log_in(code=codes[0])[0] == 200
    assert log_in(code=codes[0])[0] == 401


@pytest.mark.parametrize("gains", [True, False])
def test_a_new_or_removed_factor_ends_sessions_and_tokens(
    org: Organization, person: User, *, gains: bool
) -> None:
    factor = None if gains else add_app(person)
    person.refresh_from_db()
    token, session = issue_token(person), Client()
    session.force_login(person)
    assert read(org, authorization=f"Bearer {token}")[0] == 200

    if factor is None:
        add_app(person)
    else:
        factor.delete()

    assert read(org, authorization=f"Bearer {token}")[0] == 401
    assert session.get("/organizations/").status_code == 302


@pytest.mark.usefixtures("required")
def test_the_second_factor_is_read_with_the_session(
    person: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    add_app(person)
    with django_assert_num_queries(1):
        user = RoleBackend().get_user(person.pk)
        assert user is not None
        assert has_second_factor(user)
