"""A small parent process that cleans up when the supervisor is killed.

Two processes watch each other: killing the guard sends the supervisor SIGTERM, killing
the supervisor leaves its orphans to the guard. Costs about 3 MB.
"""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from config.dev.servers import process


def run_guarded(body: Callable[[], int]) -> int:
    """Run `body` in a child; return its exit code once all its processes have ended."""
    process.adopt_orphans()
    process.die_with_parent(signal.SIGTERM)  # our parent is make, or a shell
    signal.pthread_sigmask(signal.SIG_BLOCK, process.STOP_SIGNALS)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _run(body, parent)
    _forward_signals(child)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    process.end_adopted(set(), grace=5.0, timeout=15.0)
    if code < 0:
        print(
            "The supervisor was killed; all its processes were stopped.",
            file=sys.stderr,
        )
    return code if code >= 0 else 1


def _run(body: Callable[[], int], parent: int) -> None:
    """Run the child in a separate session: killing a group never ends both."""
    code = 1
    try:
        os.setsid()
        process.die_with_parent(signal.SIGTERM)
        if os.getppid() == parent:
            code = body()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _forward_signals(child: int) -> None:
    """Pass stop signals on to the supervisor: Ctrl-C reaches only the guard."""

    def forward(number: int, frame: FrameType | None) -> None:
        try:
            os.kill(child, signal.SIGTERM)
        except ProcessLookupError:
            return

    for number in process.STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN or number != signal.SIGHUP:
            signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, process.STOP_SIGNALS)
