"""`make up` whose web, worker and beat only wait: for tests of how a run ends.

The guard, the supervisor and the servers are the real ones. The programs fork a child
each, as the real ones do, but import neither Django nor Celery: 2 s of CPU instead
of 20.
"""

import os
import signal
import sys
from pathlib import Path

from config.dev.servers import supervisor
from config.dev.servers.__main__ import main
from config.dev.servers.supervisor import Program, Supervisor

_REAL_PROGRAMS = supervisor.programs


def _waiting_programs(state: Path, port: int) -> list[Program]:
    programs = _REAL_PROGRAMS(state, port)
    for program in programs:
        program.command = ["tests.support.light_up", program.name]
    return programs


def _serve(self: Supervisor) -> str:
    """Start the programs; there is no page to wait for."""
    for program in self.programs:
        self._begin(program)
    return ""


def _wait_with_a_child() -> None:
    os.fork()
    while True:
        signal.pause()


if __name__ == "__main__":
    if sys.argv[1:2] != ["--port"]:
        _wait_with_a_child()
    supervisor.programs = _waiting_programs
    Supervisor._serve = _serve  # type: ignore[method-assign]
    sys.exit(main())
