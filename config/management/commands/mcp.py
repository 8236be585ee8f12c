"""`mcp`: serve read-only tools for language models, over standard input or HTTP."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand

from orgs.errors import DomainError

KEY = "ORGDESK_API_KEY"
_MAX_PORT = 65_535


class Command(BaseCommand):
    help = (
        "Serve read-only tools by the Model Context Protocol: over standard input and"
        f" output with the API key of the environment variable {KEY}, or over HTTP with"
        " that of each request."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--http",
            metavar="HOST:PORT",
            help="serve HTTP there, at /mcp, instead of standard input and output",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        address = options["http"]
        if address is None:
            serve_standard_input()
        else:
            self.serve_http(*read_address(address))

    def serve_http(self, host: str, port: int) -> None:
        """Serve HTTP until the process is ended."""
        import uvicorn  # noqa: PLC0415  commands are imported to be listed

        from config.mcp.http import PATH, http_application  # noqa: PLC0415

        self.stdout.write(f"MCP server: http://{host}:{port}{PATH}")
        self.stdout.flush()
        uvicorn.run(
            http_application(host),
            host=host,
            port=port,
            log_level="warning",
            proxy_headers=False,
        )


def serve_standard_input() -> None:
    """Serve one client; raise `CommandError` without a valid key."""
    from config.mcp.api_calls import ApiCaller, require_active_key  # noqa: PLC0415
    from config.mcp.server import build_server  # noqa: PLC0415

    caller = ApiCaller(os.environ.get(KEY, "").strip())
    try:
        require_active_key(caller)
    except DomainError as error:
        message = f"Set {KEY} to an API key that is active and allowed here."
        raise CommandError(f"{message} {error.message}") from None
    build_server(lambda _: caller).run()


def read_address(text: str) -> tuple[str, int]:
    """Return the host and port; raise `CommandError` for another text."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) <= _MAX_PORT:
        raise CommandError(f"--http must be HOST:PORT, not {text!r}.")
    return host.removeprefix("[").removesuffix("]"), int(port)
