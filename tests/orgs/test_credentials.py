"""Credentials of the API: every form, and the error of each refusal."""

from base64 import b64encode
from datetime import timedelta

import pytest
from django.test import Client

from orgs.crypto import hash_key
from orgs.models import ApiKey, Organization, WhiteLabel
from tests.factories import (
    NOW,
    delete,
    make_key,
    make_organization,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def chart(client: Client, id_: object, **headers: str) -> tuple[int, str]:
    """Return status and error code of a chart request; errors are always JSON."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    response = client.get(f"/api/v1/billing/costs/{id_}/charts", headers=names)
    if response.status_code == 200:
        return 200, ""
    [error] = response.json()["errors"]
    assert response["x-cloud-error-codes"] == error["code"]
    assert error["message"]
    return response.status_code, error["code"]


def test_a_key_can_be_sent_in_four_ways(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    key = make_key(acme, "billing:read")

    assert chart(client, org.id, authorization=f"Bearer {key}") == (200, "")
    assert chart(client, org.id, authorization=f"ApiKey {key}") == (200, "")
    assert chart(client, org.id, authorization=f"apikey  {key} ") == (200, "")
    assert chart(client, org.id, x_api_key=key) == (200, "")
    assert chart(client, org.id, authorization=basic("anyone", key)) == (200, "")


def test_a_session_is_a_credential_too(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    client.force_login(make_user("fin", "finance"))

    assert chart(client, org.id) == (200, "")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "ApiKey ei_" + "x" * 40,
        "Basic",
        "Basic !!!",
        "Basic " + b64encode(b"\xff\xfe").decode(),
        basic("staff", "password"),
        "Digest x",
        "Bearer é",
        "Bearer " + "x" * 100_000,
    ],
)
def test_an_invalid_credential_gets_a_401(
    org: Organization, client: Client, header: str
) -> None:
    assert chart(client, org.id, authorization=header) == (401, "root.unauthorized")


def test_a_wrong_key_does_not_fall_back_to_the_session(
    org: Organization, client: Client
) -> None:
    client.force_login(make_user("fin", "finance"))

    assert chart(client, org.id, x_api_key="wrong")[0] == 401


def test_a_revoked_expired_or_orphaned_key_gets_a_401(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    soon = NOW + timedelta(seconds=1)
    revoked = make_key(acme, "billing:read")
    ApiKey.objects.update(revoked_at=NOW)
    valid = make_key(acme, "billing:read", expires_at=soon)
    expired = make_key(acme, "billing:read", expires_at=soon)
    ApiKey.objects.filter(key_hash=hash_key(expired)).update(expires_at=NOW)
    other = make_organization(acme, "org-9")
    orphan = make_key(acme, "billing:read", organization=other)
    delete(other)

    assert chart(client, org.id, x_api_key=valid) == (200, "")
    for key in (revoked, expired, orphan):
        assert chart(client, org.id, x_api_key=key)[0] == 401


def test_a_key_without_the_scope_gets_a_403(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    key = make_key(acme, "usage:write", "organizations:read", "billing:write")

    answer = chart(client, org.id, x_api_key=key)

    assert answer == (403, "organization.invalid_access")


def test_a_session_without_the_permission_gets_a_403(
    org: Organization, client: Client
) -> None:
    client.force_login(make_user("new"))

    assert chart(client, org.id)[0] == 403


def test_a_forbidden_organization_is_a_403_and_an_unknown_one_a_404(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    foreign = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    sibling = make_organization(acme, "org-9")
    deleted = make_organization(acme, "org-8")
    delete(deleted)
    wide = make_key(acme, "billing:read")
    narrow = make_key(acme, "billing:read", organization=org)

    forbidden, missing = "organization.invalid_access", "organization.not_found"
    assert chart(client, foreign.id, x_api_key=wide) == (403, forbidden)
    assert chart(client, deleted.id, x_api_key=wide) == (404, missing)
    assert chart(client, deleted.id + 999, x_api_key=wide) == (404, missing)
    assert chart(client, org.id, x_api_key=narrow) == (200, "")
    assert chart(client, sibling.id, x_api_key=narrow) == (403, forbidden)


@pytest.mark.parametrize(
    "id_",
    [
        *("abc", "0", "-1", "1.0", "1e3", "+1", "%00", "1%00", "%D9%A1", "%20", "%ff"),
        *(str(2**63), str(2**63 - 1), "9" * 5000, "..%2F1", "org-7"),
    ],
)  # fmt: skip
def test_a_malformed_id_is_a_404(acme: WhiteLabel, client: Client, id_: str) -> None:
    key = make_key(acme, "billing:read")

    status, _ = chart(client, id_, x_api_key=key)

    assert status == 404


def test_the_last_use_of_a_key_is_stored_once_a_minute(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    key = make_key(acme, "billing:read")

    chart(client, org.id, x_api_key=key)

    assert ApiKey.objects.get().last_used_at == NOW
    ApiKey.objects.update(last_used_at=NOW - timedelta(seconds=59))
    chart(client, org.id, x_api_key=key)
    assert ApiKey.objects.get().last_used_at == NOW - timedelta(seconds=59)
    ApiKey.objects.update(last_used_at=NOW - timedelta(seconds=61))
    chart(client, org.id, x_api_key=key)
    assert ApiKey.objects.get().last_used_at == NOW
