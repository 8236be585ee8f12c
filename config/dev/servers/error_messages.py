"""Messages of a single sentence for failures that an operator can repair.

All other exceptions keep their traceback. No message contains a password.
"""

import errno
import os
from types import FrameType, TracebackType
from urllib.parse import unquote

from config.dev.servers import environment, paths

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
_SQLSTATE_FULL_DISK = "53100"


def message_for(error: BaseException) -> str | None:
    """Return the message for bad settings, an unreachable database or a full disk."""
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
    from django.db import OperationalError  # noqa: PLC0415

    frames = list(_frames(error.__traceback__))
    if isinstance(error, ImproperlyConfigured) and _has(frames, "config.settings"):
        return str(error)
    if isinstance(error, OSError):
        return full_disk_message(error)
    if not isinstance(error, OperationalError):
        return None
    if getattr(error.__cause__, "sqlstate", None) == _SQLSTATE_FULL_DISK:
        return f"{_database_name()} has no disk space left: {_one_line(error)}"
    if _has(frames, "django.db.backends.base.base", "connect"):
        return database_message(error)
    return None


def full_disk_message(error: OSError) -> str | None:
    """Return the message for a full or read-only disk, or None for another error."""
    if error.errno in _FULL_DISK:
        return f"The disk of {_path(error)} is full: free some space, then start again"
    if error.errno == errno.EROFS:
        return f"{_path(error)} is on a read-only disk: set STATE_DIR to another folder"
    return None


def _path(error: OSError) -> str:
    return str(error.filename or paths.state_dir())


def database_message(error: Exception) -> str:
    """Return which database refused a connection, and how to start or reach it."""
    reason = redacted(_one_line(error), "DATABASE_URL")
    is_down = "No such file" in reason or "Connection refused" in reason
    if is_down and not os.environ.get("DATABASE_URL"):
        return (
            f"No PostgreSQL is running in the state folder {paths.state_dir()}:"
            " start it with `make up`, with the same STATE_DIR in both terminals,"
            " or set DATABASE_URL"
        )
    return f"{_database_name()}: {reason}"


def redis_message(error: Exception) -> str:
    """Return which Redis or Valkey failed, and its reason."""
    reason = redacted(_one_line(error), "REDIS_URL")
    if os.environ.get("REDIS_URL"):
        return f"The server of REDIS_URL: {reason}"
    return f"The embedded Valkey of {paths.state_dir()}: {reason}"


def redacted(text: str, name: str) -> str:
    """Replace the password of a URL variable by asterisks."""
    password = environment.password_of(name)
    for secret in {password, unquote(password or "")} - {None, ""}:
        text = text.replace(str(secret), "***")
    return text


def _database_name() -> str:
    if os.environ.get("DATABASE_URL"):
        return "The PostgreSQL of DATABASE_URL"
    return f"The embedded PostgreSQL of {paths.state_dir()}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _frames(traceback: TracebackType | None) -> list[FrameType]:
    frames = []
    while traceback:
        frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return frames


def _has(frames: list[FrameType], module: str, function: str | None = None) -> bool:
    """Return whether the exception passed through this module, or this function."""
    return any(
        frame.f_globals.get("__name__") == module
        and (function is None or frame.f_code.co_name == function)
        for frame in frames
    )
