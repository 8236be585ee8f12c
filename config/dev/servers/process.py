"""Child processes that end with their parent, however it ends. Linux only.

The kernel's parent-death signal reaches direct children; a "child subreaper" inherits
the orphans of a child that was killed. Together they leave no process behind.
"""

import ctypes
import os
import pwd
import select
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Literal

# The user that runs PostgreSQL, which refuses to run as root: the current user, root in
# a user namespace that maps it to `nobody`, or `nobody` itself.
RunAs = Literal["self", "userns", "nobody"]
Pause = Callable[[float], None]

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


class StartError(Exception):
    """A failed start; its message is one sentence, shown without a traceback."""


class Stopped(Exception):
    """A request to stop that arrived while something was still starting."""


def die_with_parent(death_signal: int) -> None:
    """Have the kernel send this signal when the parent ends; not inherited by forks."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent, instead of init, of descendants whose own parent ends."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def unprivileged() -> pwd.struct_passwd:
    """Return `nobody`, or another user but root: PostgreSQL needs a uid with a name."""
    for entry in sorted(pwd.getpwall(), key=lambda entry: entry.pw_name != "nobody"):
        if entry.pw_uid != 0:
            return entry
    raise StartError("PostgreSQL cannot run as root, and this system has no other user")


def enter_user_namespace(inner: int) -> None:
    """Appear as user `inner` but stay root to the file system: no chown, no copy."""
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inner} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inner} {gid} 1")


def user_namespaces_work() -> bool:
    """Return whether a child can enter a user namespace; containers often forbid it."""
    inner = unprivileged().pw_uid
    pid = os.fork()
    if pid == 0:
        try:
            enter_user_namespace(inner)
            os._exit(0 if os.geteuid() == inner else 1)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def spawn(
    argv: Sequence[str],
    *,
    log: IO[bytes],
    env: Mapping[str, str],
    cwd: Path,
    death_signal: int = signal.SIGTERM,
    run_as: RunAs = "self",
    stderr: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in its own session, so that Ctrl-C reaches only the supervisor."""
    parent = os.getpid()
    user = unprivileged() if run_as != "self" else None

    def child() -> None:
        if user and run_as == "userns":
            enter_user_namespace(user.pw_uid)
        # After the switch of user, which would clear it.
        die_with_parent(death_signal)
        if os.getppid() != parent:
            os._exit(1)  # the parent had ended before the kernel watched it

    nobody = user if run_as == "nobody" else None
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=stderr or subprocess.STDOUT,
        env=env,
        cwd=cwd,
        start_new_session=True,
        preexec_fn=child,  # noqa: PLW1509  we have no threads
        user=nobody.pw_uid if nobody else None,
        group=nobody.pw_gid if nobody else None,
        extra_groups=[] if nobody else None,
    )


def describe_exit(code: int) -> str:
    """Return how a process ended, as a part of a sentence."""
    if code >= 0:
        return f"ended with code {code}"
    return f"was killed by {signal.Signals(-code).name}"


def end(process: subprocess.Popen[bytes], steps: Iterable[tuple[int, float]]) -> None:
    """Send each signal and wait its seconds for the process to end; then SIGKILL."""
    for number, seconds in steps:
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    if process.poll() is None:
        process.kill()
        process.wait()


def children(parent: int) -> list[int]:
    """Return the direct children from /proc, zombies included. Takes about 2 ms."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue  # ended meanwhile
        if int(fields[1]) == parent:
            pids.append(int(stat.parent.name))
    return pids


def end_adopted(known: Collection[int], *, grace: float, timeout: float = 10.0) -> None:
    """End adopted children: the orphans of a child that was killed.

    They get SIGTERM, and SIGKILL after `grace` seconds. Their own children are adopted
    then, hence the loop; it ends when none is left.
    """
    started = time.monotonic()
    signaled: set[int] = set()
    while orphans := set(children(os.getpid())).difference(known):
        waited = time.monotonic() - started
        if waited > timeout:
            return  # in uninterruptible sleep: the kernel ends it when it wakes
        for pid in orphans:
            _end_orphan(pid, force=waited >= grace, is_signaled=pid in signaled)
        signaled |= orphans
        time.sleep(0.01)


def _end_orphan(pid: int, *, force: bool, is_signaled: bool) -> None:
    try:
        if force:
            os.kill(pid, signal.SIGKILL)
        elif not is_signaled:
            os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, os.WNOHANG)
    except (ProcessLookupError, ChildProcessError):
        return


def end_leftovers(
    folder: Path, stop_signal: int, pause: Pause, *, grace: float = 10.0
) -> None:
    """End the servers of a killed run that still use their data folder.

    The caller has the state folder's lock, so they are orphans; two servers that write
    the same files would destroy them. Most have ended already, by their death signal.
    """
    started = time.monotonic()
    number = stop_signal
    while pids := _pids_in(folder):
        waited = time.monotonic() - started
        if waited > grace + 5:
            raise StartError(f"The processes {pids} still use {folder}")
        if waited > grace:
            number = signal.SIGKILL
        for pid in pids if number else []:
            _send(pid, number)
        number = 0  # once
        pause(0.02)


def _pids_in(folder: Path) -> list[int]:
    """Return the processes in a folder: the servers make their data folder current."""
    pids = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == folder:
                pids.append(int(link.parent.name))
        except OSError:
            continue  # ended, or another user's
    return pids


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


class StopSignals:
    """A flag that SIGINT, SIGTERM and SIGHUP set; they and SIGCHLD end a pause early.

    A threading.Event set by a handler can deadlock when two signals arrive in a row, as
    when a terminal closes; a plain flag with a wake-up pipe cannot.
    """

    def __init__(self) -> None:
        self.requested = False
        self._pipe, write = os.pipe()
        os.set_blocking(self._pipe, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._request)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # not under nohup
            signal.signal(signal.SIGHUP, self._request)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # The guard blocked them while there was no handler yet.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True

    def wait(self, seconds: float) -> None:
        """Wait for a signal, at most these seconds."""
        if not self.requested:
            select.select([self._pipe], [], [], seconds)
            try:
                os.read(self._pipe, 512)
            except BlockingIOError:
                return

    def pause(self, seconds: float) -> None:
        """Wait inside a start; a request to stop raises `Stopped`."""
        self.wait(seconds)
        if self.requested:
            raise Stopped
