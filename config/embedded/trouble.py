"""Failures an operator can mend, in one sentence; all others keep their traceback."""

import os
from types import FrameType, TracebackType
from urllib.parse import unquote

from config.embedded import environment, places


def sentence_for(error: BaseException) -> str | None:
    """Settings that refuse to start, and a database that takes no connection."""
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
    from django.db import OperationalError  # noqa: PLC0415

    frames = list(_frames(error.__traceback__))
    if isinstance(error, ImproperlyConfigured) and _passed(frames, "config.settings"):
        return str(error)
    if isinstance(error, OperationalError) and _passed(
        frames, "django.db.backends.base.base", "connect"
    ):
        return database_sentence(error)
    return None


def database_sentence(error: Exception) -> str:
    """Which server, and what it said; a password is never part of it."""
    said = " ".join(str(error).split())
    if os.environ.get("DATABASE_URL"):
        return f"The PostgreSQL of DATABASE_URL: {redacted(said, 'DATABASE_URL')}"
    state = places.state_dir()
    if "No such file" in said or "Connection refused" in said:
        return (
            f"The embedded PostgreSQL of {state} is not running;"
            " start it with `make up`, or set DATABASE_URL"
        )
    return f"The embedded PostgreSQL of {state}: {said}"


def redis_sentence(error: Exception) -> str:
    said = redacted(" ".join(str(error).split()), "REDIS_URL")
    if os.environ.get("REDIS_URL"):
        return f"The server of REDIS_URL: {said}"
    return f"The embedded Valkey of {places.state_dir()}: {said}"


def redacted(text: str, name: str) -> str:
    password = environment.password_of(name)
    for secret in {password, unquote(password or "")} - {None, ""}:
        text = text.replace(str(secret), "***")
    return text


def _frames(traceback: TracebackType | None) -> list[FrameType]:
    found = []
    while traceback:
        found.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return found


def _passed(frames: list[FrameType], module: str, function: str | None = None) -> bool:
    return any(
        frame.f_globals.get("__name__") == module
        and (function is None or frame.f_code.co_name == function)
        for frame in frames
    )
