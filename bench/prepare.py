"""Prepare a fleet, its data once and its credentials each time; print it as JSON.

python -m bench.prepare DATABASE ORGANIZATIONS CHARTED METERED
"""

import os
import sys
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import django
import orjson
import psycopg
from django.conf import settings

_RATE_LIMIT = 2_000_000_000  # calls per minute: counted, but never refused
_WRITERS = 8


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    database, *sizes = sys.argv[1:]
    fleet = _build_once(database, *map(int, sizes))
    fleet |= {"database": database, **_credentials(fleet["white_label_id"])}
    sys.stdout.buffer.write(orjson.dumps(fleet))


def _build_once(
    database: str, organizations: int, charted: int, metered: int
) -> dict[str, Any]:
    """Build the data of a fleet unless a file records that it is complete.

    Returns the fields of `bench.data.FleetData` and the ID of the owner.
    """
    from bench.data import build

    record = Path(settings.STATE_DIR) / f"{database}.json"
    if record.exists():
        return dict(orjson.loads(record.read_bytes()))
    white_label = _white_label()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        data = build(
            connection,
            white_label_id=white_label.pk,
            organizations=organizations,
            charted=charted,
            metered=metered,
        )
    fleet = {**asdict(data), "owner_id": white_label.owner_id}
    record.write_bytes(orjson.dumps(fleet))
    return fleet


def _white_label() -> Any:
    from bench.tables import METERS, PRODUCTS, UNIT_PRICE
    from metrics.commands.partitions import make_partitions
    from metrics.commands.rates import IncomingRate, load_rates
    from orgs.commands.white_labels import create_white_label
    from orgs.models import WhiteLabel

    white_label = WhiteLabel.objects.filter(slug="bench").first()
    if white_label is None:
        make_partitions()
        white_label = create_white_label(
            "bench", name="Bench", time_zone="Europe/Zurich"
        )
        white_label.default_rate_limit = _RATE_LIMIT
        white_label.save()
        price = Decimal(UNIT_PRICE)
        rates = [
            IncomingRate(product, meter, price, price * 2)
            for product in PRODUCTS
            for meter in METERS
        ]
        load_rates(white_label, rates)
    return white_label


def _credentials(white_label_id: int) -> dict[str, Any]:
    from orgs.catalog import Scope
    from orgs.commands.keys import create_api_key
    from orgs.models import WhiteLabel

    white_label = WhiteLabel.objects.get(pk=white_label_id)
    reads = [Scope.BILLING_READ, Scope.ORGANIZATIONS_READ]
    writes = [Scope.USAGE_WRITE]
    return {
        "reader_key": create_api_key(white_label, name="reader", scopes=reads)[1],
        "writer_keys": [
            create_api_key(white_label, name="writer", scopes=writes)[1]
            for _ in range(_WRITERS)
        ],
        "session": _session("support", settings.AUTHENTICATION_BACKENDS[0]),
        # The peer is a project with Django's default backend.
        "admin_session": _session(
            "root", "django.contrib.auth.backends.ModelBackend", is_superuser=True
        ),
    }


def _session(username: str, backend: str, *, is_superuser: bool = False) -> str:
    """Sign in a user and return the value of the session cookie."""
    from django.contrib import auth
    from django.contrib.auth.models import Group

    from orgs.access.sessions import SessionStore

    user, _ = auth.get_user_model().objects.get_or_create(
        username=username, defaults={"is_staff": True, "is_superuser": is_superuser}
    )
    user.groups.set(Group.objects.filter(name__in=["viewer", "support"]))
    store = SessionStore()
    store[auth.SESSION_KEY] = str(user.pk)
    store[auth.BACKEND_SESSION_KEY] = backend
    store[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return str(store.session_key)


if __name__ == "__main__":
    main()
