"""Time the replacements of parts of Django, compared with those parts.

    python -m bench.django_parts ORGANIZATION_ID KEY USERNAME ROUNDS

Prints the medians in microseconds as JSON, a pair for each part. Both members of a
pair read the same rows with the same settings. They alternate, so that noise of the
machine affects both.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import django

_CALLS = 100  # per round
_PAGE_PERMISSION = "orgs.view_organization"

Pair = tuple[Callable[[], object], Callable[[], object]]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    organization_id, key, username, rounds = sys.argv[1:]
    pairs = {
        "user": _user(username),
        "statement": _statement(key, int(organization_id)),
        "health": _health(),
    }
    medians = {name: _medians(pair, int(rounds)) for name, pair in pairs.items()}
    print(json.dumps(medians))


def _medians(pair: Pair, rounds: int) -> list[float]:
    """Return the microseconds per call of each member, after a warm-up round."""
    seconds: list[list[float]] = [[], []]
    for number in range(rounds + 1):
        for call, timed in zip(pair, seconds, strict=True):
            began = time.perf_counter()
            for _ in range(_CALLS):
                call()
            if number:
                timed.append(time.perf_counter() - began)
    return [1e6 * statistics.median(timed) / _CALLS for timed in seconds]


def _user(username: str) -> Pair:
    """Read the user of a page request, their white label, and one permission."""
    from django.contrib.auth.backends import ModelBackend

    from orgs.access.backends import RoleBackend
    from orgs.models import User

    user_id = User.objects.get(username=username).pk

    def read(backend: Any) -> object:
        user = backend.get_user(user_id)
        return user.white_label, backend.has_perm(user, _PAGE_PERMISSION)

    role_backend, django_backend = RoleBackend(), ModelBackend()
    return lambda: read(role_backend), lambda: read(django_backend)


def _statement(key: str, organization_id: int) -> Pair:
    """Read the key and organization of a chart, prepared or bound by Django."""
    from django.db import connection
    from django.utils import timezone

    from orgs.crypto import hash_key
    from orgs.queries import key_lookup
    from orgs.queries.prepared import fetch_all

    statement = key_lookup._key_statement(key_lookup.FAST_PATH_FIELDS)
    parameters: dict[str, Any] = {
        "key_hash": hash_key(key),
        "organization_id": organization_id,
        "now": timezone.now(),
    }

    def fetch_bound() -> object:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    return lambda: fetch_all(statement, parameters), fetch_bound


def _health() -> Pair:
    """Check a connection before its first statement, by its socket or by a query."""
    from django.db import connection
    from django.db.backends.postgresql.base import DatabaseWrapper

    connection.ensure_connection()
    django_connection = DatabaseWrapper(connection.settings_dict)
    django_connection.ensure_connection()
    return connection.is_usable, django_connection.is_usable


if __name__ == "__main__":
    main()
