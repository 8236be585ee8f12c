"""Child processes that end when we end, however we end. Linux only.

The kernel's parent-death signal reaches direct children, a "child subreaper" inherits
the orphans of a child that was killed: together they leave nothing behind.
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

# How PostgreSQL, which refuses to run as root, is started by root: as ourselves (we are
# not root), in a user namespace that names root otherwise, or as an unprivileged user.
Drop = Literal["self", "userns", "nobody"]
Pause = Callable[[float], None]

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


class StartError(Exception):
    """One sentence for the operator; shown without a traceback."""


class Stopped(Exception):
    """A stop was asked for while we were still waiting for something to start."""


def die_with_parent(death_signal: int) -> None:
    """Get this signal when the thread that forked us ends; a fork starts without it."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, instead of init."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def unprivileged() -> pwd.struct_passwd:
    """`nobody`, or any user but root: PostgreSQL needs its uid to have a name."""
    for entry in sorted(pwd.getpwall(), key=lambda entry: entry.pw_name != "nobody"):
        if entry.pw_uid != 0:
            return entry
    raise StartError("PostgreSQL refuses to run as root and this system has no others")


def enter_user_namespace(inner: int) -> None:
    """Be `inner` to ourselves and still root to the file system: no chown, no copy."""
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inner} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inner} {gid} 1")


def user_namespaces_work() -> bool:
    """Tried in a child, because there is no way back out; containers often refuse."""
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
    drop: Drop = "self",
    stderr: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in its own session, so that Ctrl-C reaches only the supervisor."""
    parent = os.getpid()
    who = unprivileged() if drop != "self" else None

    def child() -> None:
        if who and drop == "userns":
            enter_user_namespace(who.pw_uid)
        # After the switch of user, which would clear it.
        die_with_parent(death_signal)
        if os.getppid() != parent:
            os._exit(1)  # the parent was gone before it could be watched

    nobody = who if drop == "nobody" else None
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


def open_log(path: Path, *, keep_bytes: int = 10_000_000) -> IO[bytes]:
    """Append; one older file is kept, so that a log stays below 20 MB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > keep_bytes:
        path.replace(path.with_suffix(".old.log"))
    return path.open("ab")


def last_line(path: Path) -> str:
    """What a failed program said last, for the one sentence that is shown."""
    try:
        lines = path.read_text(errors="replace")[-4000:].split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was killed by {signal.Signals(-code).name}"


def end(process: subprocess.Popen[bytes], steps: Iterable[tuple[int, float]]) -> None:
    """Send each signal and wait its seconds for the end; then SIGKILL."""
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
    """Direct children, zombies included, from /proc: about 2 ms on a small machine."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue  # ended while we looked
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def end_adopted(
    known: Collection[int], *, patience: float, timeout: float = 10.0
) -> None:
    """End children we did not start: orphans of one of ours that was killed.

    They get SIGTERM, after `patience` seconds SIGKILL. Their own children become ours
    then, hence the loop; it ends when none is left.
    """
    began = time.monotonic()
    asked: set[int] = set()
    while strays := set(children(os.getpid())).difference(known):
        waited = time.monotonic() - began
        if waited > timeout:
            return  # in uninterruptible sleep: the kernel ends it when it wakes
        for pid in strays:
            _end_stray(pid, force=waited >= patience, asked=pid in asked)
        asked |= strays
        time.sleep(0.01)


def _end_stray(pid: int, *, force: bool, asked: bool) -> None:
    try:
        if force:
            os.kill(pid, signal.SIGKILL)
        elif not asked:
            os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, os.WNOHANG)
    except (ProcessLookupError, ChildProcessError):
        return


def end_leftovers(
    folder: Path, ask: int, pause: Pause, *, patience: float = 10.0
) -> None:
    """End servers of a killed run that still work in their data folder.

    We hold the state folder's lock, so they are orphans; two servers writing the same
    files would ruin them. Most are gone before we look: they get a death signal.
    """
    began = time.monotonic()
    number = ask
    while pids := _working_in(folder):
        waited = time.monotonic() - began
        if waited > patience + 5:
            raise StartError(f"The processes {pids} still use {folder}")
        if waited > patience:
            number = signal.SIGKILL
        for pid in pids if number else []:
            _tell(pid, number)
        number = 0  # ask once
        pause(0.02)


def _working_in(folder: Path) -> list[int]:
    """PostgreSQL, its backends and Valkey make their data folder the current one."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == folder:
                found.append(int(link.parent.name))
        except OSError:
            continue  # ended, or another user's
    return found


def _tell(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


class StopSignals:
    """SIGINT, SIGTERM and SIGHUP as a flag; a pause ends early on them and on SIGCHLD.

    A threading.Event set by a handler can deadlock when two signals arrive in a row, as
    when a terminal closes; a plain flag with a wake-up pipe cannot.
    """

    def __init__(self) -> None:
        self.asked = False
        self._pipe, write = os.pipe()
        os.set_blocking(self._pipe, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # not under nohup
            signal.signal(signal.SIGHUP, self._ask)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # The guard blocked them for the moment in which nobody could have handled them.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def wait(self, seconds: float) -> None:
        if not self.asked:
            select.select([self._pipe], [], [], seconds)
            try:
                os.read(self._pipe, 512)
            except BlockingIOError:
                return

    def pause(self, seconds: float) -> None:
        """A wait inside something that starts: a stop unwinds it by `Stopped`."""
        self.wait(seconds)
        if self.asked:
            raise Stopped
