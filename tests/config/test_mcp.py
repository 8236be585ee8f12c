"""The MCP server: its tools, and the server with the library's client."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, TypeVar

import anyio
import httpx2
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver.exceptions import ToolError
from starlette.requests import HTTPConnection

from config.management.commands.mcp import KEY, read_address
from config.mcp import api_calls, tools
from config.mcp.api_calls import ApiCaller, ApiRefused, require_active_key
from config.mcp.http import RequireKey, read_key, require_key
from config.mcp.server import build_server
from orgs.access import limits
from orgs.errors import RateLimited, Unauthorized
from orgs.models import ApiKey, Organization, SecurityEvent, WhiteLabel
from tests import ROOT
from tests.factories import (
    delete,
    event,
    make_key,
    make_organization,
    make_rate,
    make_white_label,
    record,
)
from tests.support.processes import eventually, free_port
from tests.support.wsgi import keep_connection

T = TypeVar("T")
READ, BILL = "organizations:read", "billing:read"


@pytest.fixture
def caller(
    acme: WhiteLabel, frozen: object, monkeypatch: pytest.MonkeyPatch
) -> ApiCaller:
    keep_connection(monkeypatch)
    monkeypatch.setattr(api_calls, "close_old_connections", lambda: None)
    return ApiCaller(make_key(acme, READ, BILL))


def test_an_organization_is_found_in_its_white_label(
    caller: ApiCaller, org: Organization
) -> None:
    answer = tools.find_organization(caller, "org-7")

    [row] = answer.result["organizations"]
    assert row["id"] == org.pk
    assert row["page"].endswith(f"/organizations/{org.pk}/")
    assert answer.as_of == timezone.now()
    assert answer.sources[1].url.endswith("/api/v1/organizations")


def test_a_deleted_organization_is_found_and_explained(
    caller: ApiCaller, org: Organization
) -> None:
    delete(org)

    [row] = tools.find_organization(caller, "org-7").result["organizations"]
    answer = tools.why_blocked(caller, "org-7")

    assert row["deleted_at"]
    assert [reason["code"] for reason in answer.result["reasons"]] == ["deleted"]


@pytest.mark.parametrize("text", ["org-7", None])
def test_a_block_is_explained_by_either_id(
    caller: ApiCaller, org: Organization, text: str | None
) -> None:
    Organization.objects.filter(pk=org.pk).update(is_active=False)

    answer = tools.why_blocked(caller, text or str(org.pk))

    assert not answer.result["allowed"]
    assert answer.result["reasons"][0]["code"] == "inactive"
    path = f"/api/v1/organizations/{org.pk}/access/actions"
    assert [source.url for source in answer.sources][1].endswith(path)
    assert answer.result == caller.get(path)


def test_the_forecast_is_that_of_the_api(caller: ApiCaller, org: Organization) -> None:
    answer = tools.forecast(caller, "org-7")

    assert answer.result == caller.get(f"/api/v1/organizations/{org.pk}/forecast")
    assert answer.as_of == datetime.fromisoformat(answer.result["as_of"])


def test_a_difference_takes_ranges(caller: ApiCaller, acme: WhiteLabel) -> None:
    make_rate(acme, "2")
    record(acme, [event()])
    ranges = {"from": "2026-11-21", "to": "2026-11-22", "period": None}

    answer = tools.explain_difference(caller, "org-7", ranges)

    assert answer.result["total"] == answer.result["difference"] == 10
    assert answer.result["from"] == "2026-11-21"


def test_errors_have_the_codes_of_the_api(
    caller: ApiCaller, acme: WhiteLabel, org: Organization
) -> None:
    decoy = Organization.objects.exclude(pk=org.pk).get(external_id="org-7")

    def code(call: Callable[[], object]) -> str:
        with pytest.raises(ApiRefused) as refusal:
            call()
        return refusal.value.code

    assert code(lambda: tools.forecast(caller, "nobody")) == "organization.not_found"
    assert code(lambda: tools.forecast(caller, str(decoy.pk))) == (
        "organization.not_found"
    )
    bad = {"from": "yesterday"}
    assert code(lambda: tools.explain_difference(caller, "org-7", bad)) == (
        "costs.invalid_date_range"
    )
    reader = ApiCaller(make_key(acme, READ))
    assert (
        code(lambda: tools.forecast(reader, "org-7")) == "organization.invalid_access"
    )
    wrong = ApiCaller("ei_wrong")
    assert code(lambda: tools.find_organization(wrong, "x")) == "root.unauthorized"


def test_calls_count_against_the_limit_of_the_organization(
    caller: ApiCaller, org: Organization
) -> None:
    Organization.objects.filter(pk=org.pk).update(rate_limit=1)
    tools.forecast(caller, "org-7")

    with pytest.raises(ApiRefused, match="rate_limited"):
        tools.forecast(caller, "org-7")


def test_only_active_keys_are_accepted(acme: WhiteLabel, caller: ApiCaller) -> None:
    active = ApiCaller(make_key(acme, READ))
    require_active_key(active)
    with pytest.raises(Unauthorized):
        require_active_key(ApiCaller("ei_wrong"))

    ApiKey.objects.update(expires_at=timezone.now() - timedelta(days=1))
    with pytest.raises(Unauthorized):
        require_active_key(active)


@pytest.mark.parametrize("name", ["bogus", "ctx", "Organization"])
def test_unknown_arguments_are_refused_by_name(name: str) -> None:
    server = build_server(lambda context: ApiCaller("ei_none"))
    arguments = {"organization": "org-7", name: 1}

    with pytest.raises(ToolError, match=rf"\b{name}\b"):
        in_thread(lambda: server.call_tool("forecast", arguments))

    tools_listed = in_thread(server.list_tools)
    closed = [tool.input_schema["additionalProperties"] for tool in tools_listed]
    assert closed == [False] * 4


@pytest.mark.parametrize(
    ("header", "key"),
    [("Bearer ei_1", "ei_1"), ("bearer  ei_1 ", "ei_1"), ("Basic ei_1", ""), ("", "")],
)
def test_the_key_is_a_bearer_token(header: str, key: str) -> None:
    assert read_key(header) == key


@pytest.mark.parametrize("text", ["8000", ":8000", "host:", "host:0", "host:70000"])
def test_a_bad_address_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="HOST:PORT"):
        read_address(text)


def test_addresses_may_be_of_version_6() -> None:
    assert read_address("[::1]:8765") == ("::1", 8765)
    assert read_address("127.0.0.1:8765") == ("127.0.0.1", 8765)


def connection(key: str, address: str = "203.0.113.9") -> HTTPConnection:
    headers = [(b"authorization", f"Bearer {key}".encode())]
    return HTTPConnection({"type": "http", "headers": headers, "client": (address, 1)})


@pytest.mark.django_db
def test_wrong_keys_are_counted_and_recorded(
    acme: WhiteLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("config.mcp.api_calls", "config.mcp.http"):
        monkeypatch.setattr(f"{module}.close_old_connections", lambda: None)
    monkeypatch.setattr(limits, "WRONG_KEYS_PER_MINUTE", 2)
    right = make_key(acme, READ)
    for number in range(2):
        with pytest.raises(Unauthorized):
            require_key(connection(f"ei_wrong{number}"))
    with pytest.raises(RateLimited):
        require_key(connection("ei_wrong"))

    require_key(connection(right))
    refused = SecurityEvent.objects.filter(kind="api_key_refused")
    assert refused.values_list("address", flat=True).distinct().get() == "203.0.113.9"
    assert refused.count() == 3


def test_no_request_is_held_open_for_nothing() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def unreachable(*_: Any) -> Any:
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/mcp", "headers": []}
    application = RequireKey(unreachable)
    in_thread(lambda: application(scope, unreachable, send))
    assert sent[0]["status"] == 405
    assert (b"allow", b"POST") in sent[0]["headers"]


@pytest.mark.django_db
def test_standard_input_requires_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "ei_wrong")

    with pytest.raises(CommandError, match=KEY):
        call_command("mcp")


def in_thread(talk: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a conversation: a browser test may have left its loop in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, talk).result()


async def ask(client: Client, key: str) -> list[Any]:
    """Return what the client sees: the tools, an answer, and an error."""
    listed = await client.list_tools()
    answer = await client.call_tool("find_organization", {"search": "org-7"})
    missing = await client.call_tool("forecast", {"organization": "nowhere"})
    return [
        {tool.name: tool.model_dump()["annotations"] for tool in listed.tools},
        answer.structured_content,
        (missing.is_error, missing.model_dump()["content"][0]["text"]),
    ]


def check(answers: list[Any], org: Organization) -> None:
    annotations, answer, missing = answers
    names = ("find_organization", "why_blocked", "forecast", "explain_difference")
    assert tuple(annotations) == names
    assert all(given["read_only_hint"] for given in annotations.values())
    assert [row["id"] for row in answer["result"]["organizations"]] == [org.pk]
    assert answer["sources"]
    assert answer["as_of"]
    assert missing[0]
    assert "organization.not_found" in missing[1]


@pytest.fixture
def committed_org(committed: None) -> Organization:
    return make_organization(make_white_label("acme"), "org-7")


@pytest.fixture
def environment(committed_org: Organization) -> dict[str, str]:
    """Return that of a server with the database and Valkey of the tests."""
    database = settings.DATABASES["default"]
    url = "postgresql://{USER}@/{NAME}?host={HOST}".format(**database)
    key = make_key(committed_org.white_label, READ, BILL)
    return {
        **os.environ,
        "DATABASE_URL": url,
        "REDIS_URL": settings.REDIS_URL,
        KEY: key,
    }


CALL_SECONDS = 60  # the first call imports the product, on a loaded machine
COMMAND = [sys.executable, str(ROOT / "manage.py"), "mcp"]


@pytest.mark.slow
@pytest.mark.process
def test_standard_input(
    committed_org: Organization, environment: dict[str, str]
) -> None:
    """The client begins with a handshake, as those before the year 2026 do."""
    program, *arguments = COMMAND
    parameters = StdioServerParameters(
        command=program, args=arguments, env=environment, cwd=ROOT
    )

    async def talk() -> list[Any]:
        async with Client(stdio_client(parameters), mode="legacy") as client:
            return await ask(client, environment[KEY])

    check(in_thread(talk), committed_org)


@pytest.mark.slow
@pytest.mark.process
def test_http(committed_org: Organization, environment: dict[str, str]) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    key = environment.pop(KEY)

    async def talk() -> tuple[int, list[Any]]:
        async with httpx2.AsyncClient(timeout=CALL_SECONDS) as stranger:
            refused = await stranger.post(url, json={})
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=CALL_SECONDS) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            return refused.status_code, await ask(client, key)

    server = subprocess.Popen(
        [*COMMAND, f"--http=127.0.0.1:{port}"], env=environment, cwd=ROOT
    )
    try:
        assert eventually(lambda: is_open(port))
        status, answers = in_thread(talk)
    finally:
        server.terminate()
        server.wait(30)

    assert status == 401
    check(answers, committed_org)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
