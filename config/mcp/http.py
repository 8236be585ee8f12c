"""The MCP server over HTTP: each request has its own API key."""

from typing import Any

from anyio.to_thread import run_sync
from django.conf import settings
from django.db import close_old_connections
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from config.mcp.api_calls import ApiCaller, require_active_key
from config.mcp.server import build_server
from orgs.access.addresses import client_address
from orgs.access.credentials import refuse_key
from orgs.errors import DomainError, Unauthorized

PATH = "/mcp"
_HEADER, _FORWARDED = "authorization", "x-forwarded-for"
_MISSING = "Send a valid API key."


class MethodNotAllowed(DomainError):
    """The method of the request is not one that the endpoint has."""

    status = 405
    code = "method_not_allowed"

    def __init__(self) -> None:
        super().__init__("Send a POST request.")


_HEADERS = {
    Unauthorized.status: {"WWW-Authenticate": 'Bearer realm="Orgdesk"'},
    MethodNotAllowed.status: {"Allow": "POST"},
}


def http_application(host: str) -> ASGIApp:
    """Return the ASGI application; it answers 401 to requests without a valid key.

    Names of hosts are those of `ALLOWED_HOSTS`, and those of this machine.
    """
    server = build_server(_caller_of_request)
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


def _caller_of_request(context: Context) -> ApiCaller:
    request = context.request_context.request
    return caller_of(request) if request else ApiCaller("")


def caller_of(connection: HTTPConnection) -> ApiCaller:
    """Return the API key and the address of a request.

    Raises `ForwardedHeaderInvalid` for an invalid entry of a trusted proxy.
    """
    environ = {
        "REMOTE_ADDR": connection.client.host if connection.client else "",
        "HTTP_X_FORWARDED_FOR": ",".join(connection.headers.getlist(_FORWARDED)),
    }
    key = read_key(connection.headers.get(_HEADER, ""))
    return ApiCaller(key, client_address(environ))


def read_key(header: str) -> str:
    """Return the API key of an `Authorization: Bearer` header; empty for others."""
    kind, _, value = header.partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


class RequireKey:
    """Refuses requests without a valid API key, before the protocol reads them.

    Only POST is answered: a GET request would wait for messages of the server, which
    has none without sessions, and so be held open for nothing.
    """

    def __init__(self, application: ASGIApp) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["type"] == "http":
                require_post(scope["method"])
                await run_sync(require_key, HTTPConnection(scope))
        except DomainError as error:
            await _refusal(error)(scope, receive, send)
        else:
            await self.application(scope, receive, send)


def require_post(method: str) -> None:
    """Raise `MethodNotAllowed` for a request that is not a POST."""
    if method != "POST":
        raise MethodNotAllowed


def require_key(connection: HTTPConnection) -> None:
    """Raise a `DomainError` unless a request has a key that is allowed from there."""
    caller = caller_of(connection)
    if not caller.key:
        raise Unauthorized(_MISSING)
    try:
        require_active_key(caller)
    except Unauthorized:
        try:
            refuse_key(caller.key, caller.address)
        finally:
            close_old_connections()  # outside of a request nothing else returns them
        raise


def _refusal(error: DomainError) -> JSONResponse:
    body: dict[str, Any] = {"errors": [{"code": error.code, "message": error.message}]}
    headers = dict(_HEADERS.get(error.status, {}))
    if seconds := getattr(error, "retry_after", None):
        headers["Retry-After"] = str(seconds)
    return JSONResponse(body, error.status, headers=headers)
