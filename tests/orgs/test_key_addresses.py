"""API keys with address ranges, and the addresses that keys are used from."""

from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from starlette.requests import HTTPConnection

from config.mcp.api_calls import ApiCaller, ApiRefused
from config.mcp.http import require_key
from orgs.access import key_use
from orgs.access.key_use import AddressNotAllowed, is_allowed_from
from orgs.commands.keys import edit_api_key, revoke_api_key, rotate_api_key
from orgs.errors import DomainError
from orgs.models import (
    ApiKey,
    ApiKeyAddress,
    Organization,
    SecurityEvent,
    WhiteLabel,
)
from orgs.networks import read_address_ranges
from tests.factories import NOW, make_key, make_user
from tests.support.wsgi import (
    FAST_PATH,
    environ,
    keep_connection,
    left_to_django,
    respond,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
READ = "organizations:read"
OFFICE, ELSEWHERE = "203.0.113.7", "198.51.100.1"


@pytest.fixture(autouse=True)
def nothing_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_use, "_recent", {})


@pytest.fixture
def key(acme: WhiteLabel) -> str:
    return make_key(acme, READ, address_ranges=["203.0.113.0/24"])


def path(org: Organization) -> str:
    return f"/api/v1/organizations/{org.pk}"


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        (
            "203.0.113.0/24, 203.0.113.0/24\n2001:DB8::/32",
            ["203.0.113.0/24", "2001:db8::/32"],
        ),
        ("198.51.100.1", ["198.51.100.1/32"]),
        ("::ffff:203.0.113.0/120", ["203.0.113.0/24"]),
        ("", []),
    ],
)
def test_ranges_have_one_form(text: str, ranges: list[str]) -> None:
    assert read_address_ranges(text) == ranges


@pytest.mark.parametrize(
    "text", ["203.0.113.7/24", "0.0.0.0/0", "::/0", "x", "1.2.3", "1.1.1.1 " * 51]
)
def test_a_text_that_is_no_range_is_refused(acme: WhiteLabel, text: str) -> None:
    with pytest.raises(DomainError) as refused:
        make_key(acme, READ, address_ranges=[text])

    assert refused.value.code == "invalid_address_range"
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("ranges", "address", "is_allowed"),
    [
        ([], "unknown", True),
        (["203.0.113.0/24"], "203.0.113.255", True),
        (["203.0.113.0/24"], "203.0.114.0", False),
        (["203.0.113.0/24"], "unknown", False),
        (["203.0.113.0/24"], "2001:db8::1", False),
        (["2001:db8::/32", "10.0.0.0/8"], "2001:db8::1", True),
    ],
)
def test_an_address_is_in_a_range(
    ranges: list[str], address: str, is_allowed: bool
) -> None:
    assert is_allowed_from(ranges, address) is is_allowed


FORMS: dict[str, Callable[[str], dict[str, str]]] = {
    "x-api-key": lambda key: {"x-api-key": key},
    "bearer": lambda key: {"authorization": f"Bearer {key}"},
    "apikey": lambda key: {"authorization": f"ApiKey {key}"},
    "basic": lambda key: {
        "authorization": f"Basic {b64encode(f'any:{key}'.encode()).decode()}"
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_key_is_refused_from_elsewhere(
    org: Organization, key: str, form: str
) -> None:
    client = Client(headers=FORMS[form](key))

    refused = client.get(path(org), REMOTE_ADDR=ELSEWHERE)

    assert client.get(path(org), REMOTE_ADDR=OFFICE).status_code == 200
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["code"] == "address_not_allowed"


def test_a_refused_call_changes_nothing(org: Organization, key: str) -> None:
    Client(headers={"x-api-key": key}).get(path(org), REMOTE_ADDR=ELSEWHERE)

    assert ApiKey.objects.get().last_used_at is None
    assert not ApiKeyAddress.objects.exists()
    event = SecurityEvent.objects.latest("pk")
    assert (event.kind, event.address) == ("api_key_refused", ELSEWHERE)


def test_the_fast_path_leaves_a_refusal_to_django(
    monkeypatch: pytest.MonkeyPatch, org: Organization, key: str
) -> None:
    keep_connection(monkeypatch)
    ApiKey.objects.update(last_used_at=NOW)
    allowed, refused = (
        partial(respond, FAST_PATH, environ(f"{path(org)}/access", key, REMOTE_ADDR=a))
        for a in (OFFICE, ELSEWHERE)
    )

    assert allowed()[0] == "200 OK"
    assert left_to_django(refused)


def test_mcp_over_http_checks_the_address(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr("config.mcp.api_calls.close_old_connections", lambda: None)

    def connection(address: str) -> HTTPConnection:
        headers = [(b"authorization", f"Bearer {key}".encode())]
        return HTTPConnection(
            {"type": "http", "headers": headers, "client": (address, 1)}
        )

    require_key(connection(OFFICE))
    with pytest.raises(AddressNotAllowed):
        require_key(connection(ELSEWHERE))


def test_tools_of_mcp_call_from_the_address_of_their_client(
    monkeypatch: pytest.MonkeyPatch, org: Organization, key: str
) -> None:
    keep_connection(monkeypatch)

    assert ApiCaller(key, OFFICE).get(path(org))["id"] == org.pk
    with pytest.raises(ApiRefused, match="address_not_allowed"):
        ApiCaller(key, ELSEWHERE).get(path(org))


def test_a_forwarded_address_counts_behind_a_trusted_proxy_only(
    settings: Any, org: Organization, key: str
) -> None:
    client = Client(headers={"x-api-key": key, "x-forwarded-for": OFFICE})

    assert client.get(path(org), REMOTE_ADDR=ELSEWHERE).status_code == 403
    settings.TRUSTED_PROXIES = 1
    assert client.get(path(org), REMOTE_ADDR=ELSEWHERE).status_code == 200


def test_the_addresses_of_a_key_are_recorded_once(org: Organization) -> None:
    client = Client(headers={"x-api-key": make_key(org.white_label, READ)})
    for address in (OFFICE, ELSEWHERE, OFFICE, "2001:db8::1", "2001:db8::2"):
        client.get(path(org), REMOTE_ADDR=address)

    known = ApiKeyAddress.objects.values_list("address", flat=True)
    assert set(known) == {OFFICE, ELSEWHERE, "2001:db8::/64"}
    assert ApiKey.objects.get().last_used_address == "2001:db8::1"
    new = SecurityEvent.objects.filter(kind="api_key_new_address").order_by("pk")
    assert [event.address for event in new] == [ELSEWHERE, "2001:db8::1"]
    assert {event.actor_kind for event in new} == {"api_key"}


def test_two_addresses_in_turn_do_not_write_at_each_call(
    monkeypatch: pytest.MonkeyPatch, org: Organization
) -> None:
    keep_connection(monkeypatch)
    key = make_key(org.white_label, READ)
    client = Client(headers={"x-api-key": key})
    for address in (OFFICE, ELSEWHERE):
        client.get(path(org), REMOTE_ADDR=address)

    ApiKey.objects.update(last_used_address=ELSEWHERE)
    call = environ(f"{path(org)}/access", key, REMOTE_ADDR=OFFICE)
    assert respond(FAST_PATH, call)[0] == "200 OK"


def test_a_rotation_keeps_the_ranges(acme: WhiteLabel, key: str) -> None:
    new, _ = rotate_api_key(ApiKey.objects.get())

    assert new.address_ranges == ["203.0.113.0/24"]


@pytest.mark.parametrize("name", ["orgs:edit_key", "admin:orgs_apikey_change"])
def test_ranges_are_changed_on_page_and_in_admin(
    acme: WhiteLabel, key: str, name: str
) -> None:
    client = Client()
    client.force_login(make_user("op", "operator", white_label=acme))
    url = reverse(name, args=[ApiKey.objects.get().pk])
    data = {"name": "ci", "address_ranges": "198.51.100.0/24\n203.0.113.9"}

    bad = client.post(url, data | {"address_ranges": "203.0.113.9/8"})
    form = client.get(url).context
    if "adminform" in form:
        data["before"] = form["adminform"].form["before"].value()
    saved = client.post(url, data)

    assert bad.status_code in {200, 422}
    assert saved.status_code == 302
    row = ApiKey.objects.get()
    assert (row.name, row.address_ranges) == (
        *("ci", ["198.51.100.0/24", "203.0.113.9/32"]),
    )


def test_what_becomes_of_a_key_is_in_the_security_log(acme: WhiteLabel) -> None:
    make_key(acme, READ)
    key = ApiKey.objects.get()
    rotate_api_key(key)
    edit_api_key(key, name="ci", address_ranges=["10.0.0.0/8"])
    for _ in range(2):
        revoke_api_key(key)

    events = SecurityEvent.objects.filter(kind__startswith="api_key").order_by("pk")
    assert [event.kind for event in events] == [
        "api_key_created",
        "api_key_rotated",
        "api_key_changed",
        "api_key_revoked",
    ]
    assert {event.subject_kind for event in events} == {"api_key"}


def test_a_key_of_another_white_label_is_not_edited(key: str) -> None:
    client = Client()
    decoy = WhiteLabel.objects.get(slug="decoy")
    client.force_login(make_user("op", "operator", white_label=decoy))
    url = reverse("orgs:edit_key", args=[ApiKey.objects.get().pk])

    assert client.get(url).status_code == 404
    assert client.post(url, {"name": "x"}).status_code == 404


def test_the_command_takes_ranges_and_an_expiry(acme: WhiteLabel) -> None:
    arguments = ("create_api_key", "--white-label=acme", "--scope", READ)

    call_command(*arguments, "--address-range", "10.0.0.0/8", "--expires-in-days=2")
    with pytest.raises(CommandError, match=r"10\.0\.0\.1/8"):
        call_command(*arguments, "--address-range", "10.0.0.1/8")

    row = ApiKey.objects.get()
    assert row.address_ranges == ["10.0.0.0/8"]
    assert row.expires_at == NOW + timedelta(days=2)


def test_unused_keys_are_marked(acme: WhiteLabel, settings: Any) -> None:
    settings.API_KEY_UNUSED_DAYS = 30
    for number, (age, used, ended) in enumerate(UNUSED):
        ApiKey.objects.create(
            white_label=acme,
            name=str(number),
            key_hash=bytes([number]),
            scopes=[READ],
            created_at=NOW - timedelta(days=age),
            last_used_at=NOW - timedelta(days=used) if used else None,
            revoked_at=NOW if ended else None,
        )
    client = Client()
    client.force_login(make_user("op", "operator", white_label=acme))

    context = client.get(reverse("orgs:api_keys")).context

    assert {row.key.name for row in context["rows"] if row.is_unused} == {"0", "3"}
    assert context["unused"] == 2


# Days since the creation, days since the last use, and whether it was revoked.
UNUSED = [
    (40, None, False),
    (40, 1, False),
    (10, None, False),
    (90, 31, False),
    (90, 31, True),
]
