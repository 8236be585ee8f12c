"""The key of the fake Stripe: without it no call, no command, and no page."""

import base64
import json
import re
import stat
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

import pytest

from config.dev.fakestripe.server import Server
from config.dev.servers.stripe import KEY_START, FakeStripe
from config.dev.servers.supervisor import wants_fake_stripe

KEY = "sk_test_fake_0123456789"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    state = tmp_path_factory.mktemp("stripe") / "stripe.sqlite"
    server = Server(0, state, KEY)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def ask(
    port: int, method: str, path: str, header: str = "", *, body: str | None = None
) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": header} if header else {}
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/customers"), ("POST", "/v1/customers"), ("GET", "/_fake/health"),
     ("GET", "/_fake/objects"), ("POST", "/_fake/payment"), ("POST", "/_fake/webhooks"),
     ("POST", "/_fake/sign"), ("GET", "/i/in_1"), ("POST", "/i/in_1/pay"),
     ("GET", "/p/cus_1"), ("GET", "/nothing")],
)  # fmt: skip
@pytest.mark.parametrize(
    "header",
    ["", "Bearer sk_test_fake", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Basic eA==",
     "Basic é", f"Bearer {KEY_START}"],
)  # fmt: skip
def test_without_the_key_everything_is_refused(
    port: int, method: str, path: str, header: str
) -> None:
    sent = header.encode().decode("latin-1")
    assert ask(port, method, path, sent, body="{}")[0] == 401


def test_the_key_opens_calls_and_commands(port: int) -> None:
    basic = base64.b64encode(f"{KEY}:".encode()).decode()
    for header in (f"Bearer {KEY}", f"Basic {basic}"):
        assert ask(port, "GET", "/v1/customers", header)[0] == 200
        assert ask(port, "GET", "/_fake/health", header)[0] == 200


def test_pages_open_by_links_that_hide_the_key(port: int) -> None:
    bearer = f"Bearer {KEY}"
    customer = {"object": "customer", "id": "cus_1"}
    load = json.dumps({"objects": [customer]})
    ask(port, "POST", "/_fake/objects", bearer, body=load)
    status, body = ask(
        port, "POST", "/v1/billing_portal/sessions", bearer, body="customer=cus_1"
    )
    assert status == 200
    url = json.loads(body)["url"]
    path = re.sub(r"^http://[^/]+", "", url)

    assert KEY not in url
    assert ask(port, "GET", path)[0] == 200
    assert ask(port, "GET", "/p/cus_1")[0] == 401


def test_the_key_is_in_the_state_folder_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STRIPE_SECRET_KEY", "STRIPE_API_BASE", "STRIPE_WEBHOOK_SECRET"):
        monkeypatch.setenv(name, "")
    FakeStripe(tmp_path, 1, "127.0.0.1").set_environment()

    file = tmp_path / "stripe/key"
    assert file.read_text().startswith(KEY_START)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("key", "database", "allowed", "wants"),
    [("", "", "", True), ("sk_test_1", "", "", False), ("", "postgres://x", "", False),
     ("", "postgres://x", "debug, fake_stripe", True)],
)  # fmt: skip
def test_a_real_database_gets_no_fake_stripe(
    monkeypatch: pytest.MonkeyPatch, key: str, database: str, allowed: str, wants: bool
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", key)
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("ALLOW_UNSAFE", allowed)
    assert wants_fake_stripe() is wants
