"""Answers of browsers that are no passkey: refused, never an error of ours."""

import json
from typing import Any

import pytest
from django.test import Client

from orgs.models import User
from tests.factories import make_user
from tests.support.factors import PASSWORD, add_app, with_password

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
EMPTY = {"clientDataJSON": "", "authenticatorData": "", "signature": ""}
KEY = {"id": "YQ", "rawId": "YQ", "type": "public-key"}
CLIENT = {**EMPTY, "clientDataJSON": "e30"}
CREDENTIALS: list[Any] = [
    *("", "x", [], 1, "a", None, {}, {"response": None}, {"response": {}}),
    {"response": {"userHandle": 5}},
    {"response": {"userHandle": "MQ"}},
    {**KEY, "response": {**EMPTY, "userHandle": "!"}},
    {**KEY, "response": EMPTY},
    {"id": [], "rawId": {}, "type": 1, "response": {"clientDataJSON": 1}},
    {**KEY, "response": {**EMPTY, "attestationObject": "YQ"}},
    {**KEY, "response": {**CLIENT, "authenticatorData": "YQ", "userHandle": "MQ"}},
    {**KEY, "response": {**CLIENT, "attestationObject": "oA"}},
]  # fmt: skip


@pytest.fixture
def person(db: None) -> User:
    return with_password(make_user("ada", "viewer"))


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_no_input_of_a_passkey_is_an_error_of_ours(
    person: User, credential: object
) -> None:
    sent = {"credential": json.dumps(credential), "name": "a"}
    client = Client()
    client.get("/accounts/2fa/webauthn/login/", headers={"accept": "application/json"})
    login = client.post("/accounts/2fa/webauthn/login/", sent)
    client.force_login(person)
    client.get("/accounts/2fa/webauthn/add/")
    added = client.post("/accounts/2fa/webauthn/add/", sent)
    add_app(person)
    second = Client()
    second.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    step = second.post("/accounts/2fa/authenticate/", sent)

    assert login.status_code == 302
    assert (added.status_code, step.status_code) == (200, 200)
    assert "_auth_user_id" not in second.session


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_no_input_reauthenticates(person: User, credential: object) -> None:
    client = Client()
    client.force_login(person)
    sent = {"credential": json.dumps(credential)}

    assert client.post("/accounts/2fa/webauthn/reauthenticate/", sent).status_code < 500
