"""Serve the web process: `python -m config.server --host 127.0.0.1 --port 8000`."""

import argparse
import multiprocessing
import os
import resource
import sys
from functools import partial
from importlib import import_module
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces

from config.server import scheduler
from config.server.front import Front

APPLICATION = "config.wsgi:application"
_BACKLOG = 2_048
# Connections, not requests: those that are idle or slow cost little.
_CONNECTIONS = 16_384


def main() -> int:
    options = _arguments()
    os.environ.setdefault("ORGDESK_PROCESS", "web")
    # The scheduler is inherited by workers that are forked, and only by these.
    multiprocessing.set_start_method("fork", force=True)
    scheduler.install()
    _raise_file_limit()
    server = Granian(
        options.application,
        address=options.host,
        port=options.port,
        uds=options.uds,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=options.workers,
        backlog=_BACKLOG,
        backpressure=_CONNECTIONS,
        respawn_failed_workers=True,
        workers_kill_timeout=5,
    )
    server.serve(target_loader=partial(_load, options.threads))
    return 0


def _load(threads: int, target: str) -> Any:
    """Return the front of a WSGI application, in a worker process."""
    module, _, name = target.partition(":")
    application: Any = getattr(import_module(module), name or "application")
    return scheduler.serve(Front(application, threads))


def _raise_file_limit() -> None:
    """Allow as many open files as the system does: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="config.server", description=__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    add("--port", type=int, default=8000, help="port to listen on (8000)")
    add("--uds", default=None, help="Unix socket to listen on instead")
    add("--workers", type=_count, default=1, help="processes (1)")
    add("--threads", type=_count, default=4, help="requests at once per process (4)")
    add("application", nargs="?", default=APPLICATION, help=f"({APPLICATION})")
    return parser.parse_args()


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
