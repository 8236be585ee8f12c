"""Login tokens of the contracts: issued for a password, accepted in every form."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.test import Client

from orgs.models import Organization, User
from tests.factories import NOW, make_key, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
PASSWORD = "correct horse battery"


@pytest.fixture
def person() -> User:
    user = make_user("fin", "finance")
    user.set_password(PASSWORD)
    user.save()
    return user


def post(url: str, **body: Any) -> tuple[int, Any]:
    response = Client().post(url, body, content_type="application/json")
    return response.status_code, response.json()


def log_in(**body: Any) -> tuple[int, Any]:
    return post("/api/v1/users/auth/_login", **body)


def chart(org: Organization, **headers: str) -> int:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"/api/v1/billing/costs/{org.id}/charts"
    return Client().get(url, headers=names).status_code


def test_a_token_is_accepted_in_every_form(org: Organization, person: User) -> None:
    status, answer = log_in(username="fin", password=PASSWORD)
    token = answer["token"]

    assert status == 200
    assert token.count(".") == 2
    assert chart(org, authorization=f"Bearer {token}") == 200
    assert chart(org, x_jwt_token=token) == 200
    assert chart(org, cookie=f"jwt={token}") == 200
    assert chart(org, cookie=token) == 200  # contract A's Python client
    assert chart(org, authorization=f"Bearer {token[:-2]}xx") == 401


def test_contract_a_accepts_the_email_as_user_name(
    org: Organization, person: User
) -> None:
    status, answer = post(
        "/v1/api-login", username=person.email, password=PASSWORD, uuid="ignored"
    )

    assert (status, answer["success"]) == (200, True)
    assert chart(org, x_jwt_token=answer["token"]) == 200


def test_a_token_expires_after_an_hour_or_a_password_change(
    org: Organization, person: User, frozen: time_machine.Traveller
) -> None:
    token = log_in(username="fin", password=PASSWORD)[1]["token"]
    frozen.move_to(NOW + timedelta(minutes=61))
    assert chart(org, x_jwt_token=token) == 401

    frozen.move_to(NOW)
    person.set_password("another one entirely")
    person.save()
    assert chart(org, x_jwt_token=token) == 401


def refresh(**headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client().post("/api/v1/users/auth/_refresh", headers=names)


def test_a_token_is_renewed_while_it_is_valid(
    org: Organization, person: User, frozen: time_machine.Traveller
) -> None:
    token = log_in(username="fin", password=PASSWORD)[1]["token"]
    for minutes in (50, 100, 150):
        frozen.move_to(NOW + timedelta(minutes=minutes))
        answer = refresh(authorization=f"Bearer {token}")
        assert answer.status_code == 200
        token = answer.json()["token"]
    assert chart(org, authorization=f"Bearer {token}") == 200

    frozen.move_to(NOW + timedelta(minutes=211))
    assert refresh(authorization=f"Bearer {token}").status_code == 401
    assert refresh().status_code == 401


def test_only_a_login_token_is_renewed(org: Organization, person: User) -> None:
    key = make_key(org.white_label, "billing:read")
    session = Client()
    session.force_login(person)

    assert refresh(authorization=f"Bearer {key}").status_code == 401
    assert session.post("/api/v1/users/auth/_refresh").status_code in (401, 403)


def test_every_failure_reads_the_same(person: User) -> None:
    person.is_active = False
    person.save()
    inactive = log_in(username="fin", password=PASSWORD)

    assert inactive == log_in(username="nobody", password="x")
    assert inactive[0] == 401
    assert inactive[1]["errors"][0]["code"] == "root.unauthenticated"
    assert post("/v1/api-login", username="a\x00", password="x")[0] == 400


def test_two_factor_accounts_need_the_code(org: Organization, person: User) -> None:
    secret = "JBSWY3DPEHPK3PXP"
    TOTP.activate(person, secret)
    assert Authenticator.objects.filter(user=person).count() == 1
    code = format_hotp_value(
        hotp_value(secret, next(iter(yield_hotp_counters_from_time())))
    )

    assert log_in(username="fin", password=PASSWORD)[0] == 401
    wrong = post("/v1/api-login", username="fin", password=PASSWORD, totpToken="000000")
    right = post("/v1/api-login", username="fin", password=PASSWORD, totpToken=code)
    assert (wrong[0], right[0]) == (401, 200)


@pytest.mark.usefixtures("without_valkey")
def test_logins_are_refused_while_attempts_cannot_be_counted(person: User) -> None:
    assert log_in(username="fin", password=PASSWORD)[0] == 503
