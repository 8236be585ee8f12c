"""The MCP server over HTTP: each request has its own API key."""

from typing import Any

from anyio.to_thread import run_sync
from django.conf import settings
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from config.mcp.api_calls import is_active_key
from config.mcp.server import build_server

PATH = "/mcp"
_HEADER = "authorization"


def http_application(host: str) -> ASGIApp:
    """Return the ASGI application; it answers 401 to requests without a valid key.

    Names of hosts are those of `ALLOWED_HOSTS`, and those of this machine.
    """
    server = build_server(_key_of_request)
    application = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        transport_security=_security(host),
    )
    return RequireKey(application)


def _security(host: str) -> TransportSecuritySettings:
    if "*" in settings.ALLOWED_HOSTS:
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    allowed = {name.removeprefix(".") for name in settings.ALLOWED_HOSTS}
    names = {host, "127.0.0.1", "localhost", "[::1]", *allowed}
    hosts = [form for name in sorted(names) for form in (name, f"{name}:*")]
    schemes = ("http", "https")
    origins = [f"{scheme}://{name}" for name in hosts for scheme in schemes]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)


def _key_of_request(context: Context) -> str:
    request = context.request_context.request
    return read_key(request.headers.get(_HEADER, "")) if request else ""


def read_key(header: str) -> str:
    """Return the API key of an `Authorization: Bearer` header; empty for others."""
    kind, _, value = header.partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


class RequireKey:
    """Refuses requests without a valid API key, before the protocol reads them."""

    def __init__(self, application: ASGIApp) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not await _is_allowed(scope):
            await _REFUSAL(scope, receive, send)
        else:
            await self.application(scope, receive, send)


async def _is_allowed(scope: Scope) -> bool:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    key = read_key(headers.get(_HEADER.encode(), b"").decode("latin-1"))
    return bool(key) and await run_sync(is_active_key, key)


_ERROR: dict[str, Any] = {
    "errors": [{"code": "root.unauthorized", "message": "Send a valid API key."}]
}
_REFUSAL = JSONResponse(
    _ERROR, 401, headers={"WWW-Authenticate": 'Bearer realm="Orgdesk"'}
)
