"""Idempotency keys of API writes: made once, answered again, and refused for others."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from django.db import connection
from django.test import Client

from billing.models import SpendingLimit
from config.openapi.document import document
from orgs.models import IdempotencyKey, Organization, WhiteLabel
from orgs.tasks import delete_idempotency_keys
from tests.factories import NOW, make_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
URL = "/api/v1/organizations"
BODY = {"external_id": "o-1", "name": "One"}


class Api:
    def __init__(self, key: str) -> None:
        self.client = Client(headers={"x-api-key": key})

    def __call__(
        self,
        key: str | None,
        body: Any = BODY,
        url: str = URL,
        method: str = "post",
    ) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key}
        return getattr(self.client, method)(
            url, body, content_type="application/json", headers=headers
        )


@pytest.fixture
def api(acme: WhiteLabel) -> Api:
    return Api(make_key(acme, "organizations:write", "billing:write"))


def code(response: Any) -> str:
    return str(response.json()["errors"][0]["code"])


def test_a_write_is_made_once_and_answered_again(api: Api) -> None:
    first, again = api("k-1"), api("k-1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again["Content-Type"] == first["Content-Type"]
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert Organization.objects.filter(external_id="o-1").count() == 1
    assert code(api(None)) == "organization_exists"
    assert code(api("k-2")) == "organization_exists"


def test_a_key_is_refused_for_another_request(api: Api) -> None:
    created = api("k-1").json()

    for response in (
        api("k-1", {**BODY, "name": "Two"}),
        api("k-1", url=f"{URL}/{created['id']}", method="delete"),
    ):
        assert response.status_code == 422
        assert code(response) == "idempotency_key_reused"
    assert Organization.objects.get(external_id="o-1").name == "One"


def test_keys_are_those_of_their_caller(api: Api, acme: WhiteLabel) -> None:
    other = Api(make_key(acme, "organizations:write"))

    assert api("k-1").status_code == 201
    assert code(other("k-1")) == "organization_exists"
    assert other("k-1", {**BODY, "external_id": "o-2"}).status_code == 201


def test_a_write_that_failed_leaves_no_key(api: Api) -> None:
    bad = api("k-1", {**BODY, "name": ""})
    good = api("k-1")

    assert (bad.status_code, good.status_code) == (400, 201)
    assert IdempotencyKey.objects.count() == 1


def test_a_write_in_progress_is_a_conflict(api: Api, acme: WhiteLabel) -> None:
    owner = f"key {acme.api_keys.get().pk}"
    with psycopg.connect(connection.connection.info.dsn) as other:
        lock = "select pg_advisory_xact_lock(hashtextextended(%s, 0))"
        other.execute(lock, [f"idempotency key {owner} k-1"])
        response = api("k-1")
        other.rollback()

    assert (response.status_code, code(response)) == (409, "idempotency_key_in_use")
    assert response["Retry-After"] == "1"
    assert api("k-1").status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
def test_an_invalid_key_is_refused(api: Api, key: str) -> None:
    response = api(key)

    assert (response.status_code, code(response)) == (400, "invalid_idempotency_key")
    assert not Organization.objects.filter(external_id="o-1").exists()


def test_a_caller_without_access_gets_no_answer(acme: WhiteLabel) -> None:
    reader = Api(make_key(acme, "organizations:read"))

    assert reader("k-1").status_code == 403
    assert Api("ei_" + "x" * 40)("k-1").status_code == 401


def test_answers_without_a_body_and_of_contract_b_are_repeated(
    api: Api, acme: WhiteLabel, org: Organization
) -> None:
    deleted = [api("k-1", url=f"{URL}/{org.pk}", method="delete") for _ in range(2)]
    assert [x.status_code for x in deleted] == [204, 204]
    assert deleted[1].content == b""

    limits = {"spending_limit_soft": 7}
    answers = [api("k-2", limits, "/v1/billing/limits", "put") for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert SpendingLimit.objects.get(kind="soft").version == 1
    refused = api("k-2", {"spending_limit_soft": 8}, "/v1/billing/limits", "put")
    assert refused.status_code == 422
    assert refused.json()["detail"]


def test_keys_are_deleted_after_three_days(
    api: Api, frozen: time_machine.Traveller
) -> None:
    api("k-1")
    frozen.move_to(NOW + timedelta(days=2, hours=23))
    delete_idempotency_keys()
    assert api("k-1").status_code == 201

    frozen.move_to(NOW + timedelta(days=3, minutes=1))
    delete_idempotency_keys()
    assert not IdempotencyKey.objects.exists()


def test_operations_that_write_document_the_key() -> None:
    writes = {
        f"{method} {path}"
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "Idempotency-Key"
    }

    own = f"{URL}/{{organization_id}}"
    assert writes >= {
        *(f"post {URL}", f"patch {own}", f"delete {own}", f"post {own}/restore"),
        *(f"post {own}/members", f"post {own}/projects", "put /api/v1/rates"),
        "put /v1/billing/limits",
    }
