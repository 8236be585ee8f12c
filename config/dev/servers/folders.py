"""The state folder on disk: its permissions, its lock and its secret key."""

import base64
import fcntl
import os
import time
from pathlib import Path

from config.dev.servers import paths
from config.dev.servers.process import StartError, unprivileged


def make_state(state: Path) -> None:
    """Make the state folder, private; an existing folder keeps its mode."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        (state / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"The state folder {state} cannot be used ({error.strerror}): choose a"
            " folder that you can write to, as in `make up STATE_DIR=/tmp/orgdesk`"
        ) from None


def lock(state: Path, *, seconds: float = 2.0) -> int:
    """Lock the state folder for as long as the returned descriptor is open.

    Waits for some seconds: a run that was just killed still has to stop its servers.
    """
    descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StartError(
                    f"`make up` already runs with the state folder {state}"
                ) from None
        time.sleep(0.05)


def make_socket_dir(state: Path) -> Path:
    """Make a folder for this user alone: its sockets ask for no password."""
    folder = paths.socket_dir(state)
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    # Outside the state folder, another user may have been first to take the name.
    if folder.parent != state and (folder.is_symlink() or not _is_private(status)):
        raise StartError(f"{folder} belongs to another user: set a shorter STATE_DIR")
    return folder


def _is_private(status: os.stat_result) -> bool:
    """Return whether this user owns a folder alone.

    For root, the user that runs PostgreSQL may own it: root gave the folder away.
    """
    owners = {os.geteuid()}
    if os.geteuid() == 0:
        owners.add(unprivileged().pw_uid)
    return status.st_uid in owners and status.st_mode & 0o077 == 0


def make_secret_key(state: Path) -> None:
    """Write a random key with mode 0600, unless there is one: sessions depend on it.

    The file is renamed into place: an interruption leaves no half of a key.
    """
    if os.environ.get("SECRET_KEY") or paths.read_secret_key(state):
        return
    path = paths.secret_key_file(state)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    target = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(target, "wb") as file:
        file.write(base64.urlsafe_b64encode(os.urandom(48)))
    fresh.replace(path)
