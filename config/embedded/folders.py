"""The state folder on disk: who may enter, who runs it, and its secret key."""

import base64
import fcntl
import os
import time
from pathlib import Path

from config.embedded import places
from config.embedded.process import StartError, unprivileged


def make_state(state: Path) -> None:
    """Private when we make it; the mode of a folder that was there is not ours."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        (state / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartError(f"STATE_DIR {state}: {error.strerror}") from None


def lock(state: Path, *, patience: float = 2.0) -> int:
    """Hold the folder until the returned descriptor's last holder ends.

    Waits a moment, for a run that was just killed still has to end its servers.
    """
    held = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return held
        except BlockingIOError:
            if time.monotonic() > end:
                raise StartError(
                    f"`make up` already runs with the state folder {state}"
                ) from None
        time.sleep(0.05)


def make_socket_dir(state: Path) -> Path:
    """A folder only we may enter: whoever reaches the sockets needs no password."""
    folder = places.socket_dir(state)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    # Outside the state folder, another user may have been first to take the name.
    if folder.parent != state and (folder.is_symlink() or not _is_ours(found)):
        raise StartError(f"{folder} belongs to someone else: set a shorter STATE_DIR")
    return folder


def _is_ours(found: os.stat_result) -> bool:
    """Or, for root, of the user PostgreSQL is run as: we gave the folder away."""
    owners = {os.geteuid()}
    if os.geteuid() == 0:
        owners.add(unprivileged().pw_uid)
    return found.st_uid in owners and found.st_mode & 0o077 == 0


def make_secret_key(state: Path) -> None:
    """Random, mode 0600, whole or not at all; kept, for sessions depend on it."""
    if os.environ.get("SECRET_KEY") or places.read_secret_key(state):
        return
    path = places.secret_key_file(state)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    target = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(target, "wb") as file:
        file.write(base64.urlsafe_b64encode(os.urandom(48)))
    fresh.replace(path)
