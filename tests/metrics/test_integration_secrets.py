"""Tokens at rest are encrypted for their row and appear in no output."""

import logging
from base64 import b64encode
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from metrics.commands.integrations import (
    IncomingTarget,
    reencrypt_integrations,
    set_integrations,
)
from metrics.models import Integration
from metrics.queries.integrations import find_target, integrations
from orgs.crypto import decrypt, encrypt, key_id_of, read_keys
from orgs.errors import SecretUnreadable
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_key, make_organization, make_user
from tests.support.organization_api import Ask

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
CANARY = "glc_canary-Zx7Qv11wM5"
ENDPOINT = "https://prom.example.com/push"
OLD, NEW = bytes(range(32)), bytes(range(7, 39))


def set_token(
    organization: Organization, token: str = CANARY, kind: str = "prom"
) -> None:
    target = IncomingTarget("70011", ENDPOINT, token)
    set_integrations(organization.id, {kind: target})


def token_of(organization: Organization, kind: str = "prom") -> str:
    target = find_target(organization.id, kind=kind)
    assert target is not None
    return target.token


def test_a_token_is_encrypted_and_decrypted_for_a_push(org: Organization) -> None:
    set_token(org)

    encrypted = bytes(Integration.objects.get().token)
    assert CANARY.encode() not in encrypted
    assert token_of(org) == CANARY
    set_token(org)
    assert bytes(Integration.objects.get().token) != encrypted  # a nonce is used once


def test_a_token_copied_to_another_row_cannot_be_decrypted(
    acme: WhiteLabel, org: Organization
) -> None:
    other = make_organization(acme, "org-9")
    set_token(org)
    set_token(other, "other")
    stolen = Integration.objects.get(organization=org).token

    Integration.objects.filter(organization=other).update(token=stolen)

    with pytest.raises(SecretUnreadable) as caught:
        find_target(other.id, kind="prom")
    assert CANARY not in str(caught.value)
    assert token_of(org) == CANARY
    set_token(org, "logs", kind="loki")
    Integration.objects.filter(kind="loki").update(token=stolen)
    with pytest.raises(SecretUnreadable):
        find_target(org.id, kind="loki")


@pytest.mark.parametrize("at", [0, 1, 2, 5, 20, -1])
def test_an_altered_token_cannot_be_decrypted(at: int) -> None:
    encrypted = bytearray(encrypt(CANARY, associated_data="a"))
    encrypted[at] ^= 1

    with pytest.raises(SecretUnreadable):
        decrypt(bytes(encrypted), associated_data="a")


@pytest.mark.parametrize("encrypted", [b"", b"\x01", CANARY.encode(), b"\x01\x01" * 20])
def test_other_bytes_cannot_be_decrypted(encrypted: bytes) -> None:
    with pytest.raises(SecretUnreadable):
        decrypt(encrypted, associated_data="a")


def test_the_first_key_encrypts_and_all_keys_decrypt(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = {"old": OLD}
    encrypted = encrypt(CANARY, associated_data="a")
    settings.ENCRYPTION_KEYS = {"new": NEW, "old": OLD}

    assert key_id_of(encrypt(CANARY, associated_data="a")) == "new"
    assert decrypt(encrypted, associated_data="a") == CANARY
    settings.ENCRYPTION_KEYS = {"new": NEW}
    with pytest.raises(SecretUnreadable, match="'old'"):
        decrypt(encrypted, associated_data="a")


def test_keys_are_read_from_the_environment_with_the_derived_one_last() -> None:
    text = f"new:{b64encode(NEW).decode()}, old:{b64encode(OLD).decode()}"

    keys = read_keys(text, secret_key="s")

    assert list(keys) == ["new", "old", "0"]
    assert (keys["new"], keys["old"]) == (NEW, OLD)
    assert keys["0"] == read_keys("", secret_key="s")["0"]
    assert keys["0"] != read_keys("", secret_key="t")["0"]
    assert len(keys["0"]) == 32


@pytest.mark.parametrize(
    "text",
    ["new", "new:", ":AAAA", "new:AAAA", "new:!", f"é:{b64encode(NEW).decode()}"],
)
def test_an_invalid_key_prevents_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="encryption key"):
        read_keys(text, secret_key="s")


def rotate() -> str:
    output = StringIO()
    call_command("rotate_secrets", "--batch=2", stdout=output)
    return output.getvalue()


def test_rotation_re_encrypts_all_tokens_and_can_be_repeated(
    acme: WhiteLabel, org: Organization, settings: Settings
) -> None:
    settings.ENCRYPTION_KEYS = {"old": OLD}
    for number in range(5):
        set_token(make_organization(acme, f"org-{20 + number}"), f"token-{number}")
    settings.ENCRYPTION_KEYS = {"new": NEW, "old": OLD}
    set_token(org)
    first = reencrypt_integrations(after_id=0, limit=2)  # stopped after a batch
    assert first is not None
    assert first.reencrypted == 2

    assert rotate() == "3 re-encrypted, 3 already current, 0 unreadable\n"
    assert rotate() == "0 re-encrypted, 6 already current, 0 unreadable\n"
    settings.ENCRYPTION_KEYS = {"new": NEW}
    assert token_of(org) == CANARY
    last = Organization.objects.get(external_id="org-24")
    assert token_of(last) == "token-4"


def test_rotation_names_unreadable_tokens_and_continues(
    acme: WhiteLabel, org: Organization, settings: Settings
) -> None:
    settings.ENCRYPTION_KEYS = {"lost": OLD}
    set_token(org)
    settings.ENCRYPTION_KEYS = {"old": OLD}
    set_token(make_organization(acme, "org-9"))
    settings.ENCRYPTION_KEYS = {"new": NEW, "old": OLD}

    with pytest.raises(CommandError, match=f"Prometheus of {org.id}"):
        rotate()

    ids = {key_id_of(bytes(row.token)) for row in Integration.objects.all()}
    assert ids == {"lost", "new"}


# --- nowhere else -----------------------------------------------------------------


def test_no_representation_contains_a_token(org: Organization) -> None:
    set_token(org)

    row = Integration.objects.get()
    assert CANARY not in f"{row!r} {row} {integrations(org.id)} {vars(row)}"
    assert CANARY not in repr(find_target(org.id, kind="prom"))
    assert CANARY not in repr(IncomingTarget("1", ENDPOINT, CANARY))
    assert not Integration._meta.get_field("token").editable


@pytest.mark.parametrize(
    ("endpoint", "status"), [(ENDPOINT, 200), ("https://10.0.0.7/", 422), (5, 422)]
)
def test_no_response_log_line_or_table_contains_a_token(
    org: Organization,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    endpoint: object,
    status: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    key = make_key(org.white_label, "integrations:write", organization=org)
    target = {"id": "70011", "token": CANARY, "endpoint": endpoint}

    response = Ask(client, key).put("orgs/integrations", {"prom": target})

    assert response.status_code == status
    assert CANARY not in response.content.decode()
    assert CANARY not in caplog.text
    assert tables_containing(CANARY) == []


def tables_containing(text: str) -> list[str]:
    """Return the tables with the text in any column, searching bytes as well."""
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        tables = []
        for name in names:
            cursor.execute(
                f'select count(*) from "{name}" t where t::text like %s'
                " or t::text like %s",
                [f"%{text}%", f"%{text.encode().hex()}%"],
            )
            tables += [name] * cursor.fetchone()[0]
    return tables


def test_the_search_of_tables_covers_tokens(org: Organization) -> None:
    set_token(org)
    Integration.objects.update(token=CANARY.encode())

    assert tables_containing(CANARY) == ["metrics_integration"]


def test_history_shows_a_replaced_token_but_no_rotation(
    org: Organization, settings: Settings, frozen: time_machine.Traveller
) -> None:
    set_token(org)
    frozen.shift(60)
    set_token(org, "another")
    settings.ENCRYPTION_KEYS = {"new": NEW, **settings.ENCRYPTION_KEYS}
    rotate()

    with connection.cursor() as cursor:
        cursor.execute("select pgh_label, set_at from metrics_integrationevent")
        rows = cursor.fetchall()
    assert rows == [("insert", NOW), ("update", NOW + timedelta(seconds=60))]


def test_history_and_pages_show_the_endpoint_without_the_token(
    org: Organization, client: Client
) -> None:
    set_token(org)
    client.force_login(make_user("root", is_superuser=True))

    for page in ("history/", "billing/", "usage/", ""):
        response = client.get(f"/organizations/{org.id}/{page}")
        assert response.status_code == 200
        assert CANARY not in response.content.decode()
    with connection.cursor() as cursor:
        cursor.execute("select * from metrics_integrationevent")
        columns = [column.name for column in cursor.description]
        [row] = cursor.fetchall()
    assert "token" not in columns
    assert ENDPOINT in row
