"""Checks of DATABASE_URL and REDIS_URL without Django.

The URLs are never printed: they contain passwords.
"""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

_SCHEMES = {
    "DATABASE_URL": {"postgres", "postgresql", "psql", "pgsql"},
    "MIGRATION_DATABASE_URL": {"postgres", "postgresql", "psql", "pgsql"},
    "REDIS_URL": {"redis", "rediss", "unix"},
}


def url_problem(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return one sentence about the first malformed URL, or None."""
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
        return "is not a URL: percent-encode special characters in its password"
    if parts.scheme.startswith(("postgres", "p")) and not parts.path.strip("/"):
        return "names no database: it must end in /NAME"
    return None


def password_of(name: str) -> str | None:
    """Return the password of a URL variable, as it would appear in a message."""
    try:
        return urlsplit(os.environ.get(name, "")).password
    except ValueError:
        return None
