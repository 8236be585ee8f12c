"""DATABASE_URL and REDIS_URL, checked without Django and never quoted: passwords."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

_SCHEMES = {
    "DATABASE_URL": {"postgres", "postgresql", "psql", "pgsql"},
    "REDIS_URL": {"redis", "rediss", "unix"},
}


def url_trouble(environ: Mapping[str, str] = os.environ) -> str | None:
    """One sentence on the first URL that no server can be behind, or nothing."""
    for name, schemes in _SCHEMES.items():
        if (url := environ.get(name)) and (problem := _problem(url, schemes)):
            return f"{name} {problem}"
    return None


def _problem(url: str, schemes: set[str]) -> str | None:
    try:
        parts = urlsplit(url)
        if parts.scheme not in schemes:
            return f"must begin with one of {', '.join(sorted(schemes))} and ://"
        _ = parts.port
    except ValueError:
        return "is no URL: percent-encode special characters of the password"
    if parts.scheme.startswith(("postgres", "p")) and not parts.path.strip("/"):
        return "names no database: it ends in /NAME"
    return None


def password_of(name: str) -> str | None:
    """What must not be shown, as it would appear in a message."""
    try:
        return urlsplit(os.environ.get(name, "")).password
    except ValueError:
        return None
