"""Make a fleet ready: data once, credentials each time. Prints it as JSON.

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

_RATE_LIMIT = 2_000_000_000  # calls a minute: counted, never refused
_WRITERS = 8


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    database, *sizes = sys.argv[1:]
    facts = _built(database, *map(int, sizes))
    facts |= {"database": database, **_credentials(facts["white_label_id"])}
    sys.stdout.buffer.write(orjson.dumps(facts))


def _built(
    database: str, organizations: int, charted: int, metered: int
) -> dict[str, Any]:
    """What is kept beside the database says that it was built to the end."""
    from bench.data import build

    kept = Path(settings.STATE_DIR) / f"{database}.json"
    if kept.exists():
        return dict(orjson.loads(kept.read_bytes()))
    white_label = _white_label()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        built = build(
            connection,
            white_label_id=white_label.pk,
            organizations=organizations,
            charted=charted,
            metered=metered,
        )
    facts = {**asdict(built), "owner_id": white_label.owner_id}
    kept.write_bytes(orjson.dumps(facts))
    return facts


def _white_label() -> Any:
    from bench.tables import METERS, PRODUCTS, UNIT_PRICE
    from metrics.commands.partitions import make_partitions
    from metrics.commands.rates import IncomingRate, load_rates
    from orgs.commands.white_labels import create_white_label
    from orgs.models import WhiteLabel

    made = WhiteLabel.objects.filter(slug="bench").first()
    if made is None:
        make_partitions()
        made = create_white_label("bench", name="Bench", time_zone="Europe/Zurich")
        made.default_rate_limit = _RATE_LIMIT
        made.save()
        price = Decimal(UNIT_PRICE)
        rates = [
            IncomingRate(product, meter, price, price * 2)
            for product in PRODUCTS
            for meter in METERS
        ]
        load_rates(made, rates)
    return made


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
        # Of the peer's project, which has Django's own.
        "admin_session": _session(
            "root", "django.contrib.auth.backends.ModelBackend", is_superuser=True
        ),
    }


def _session(username: str, backend: str, *, is_superuser: bool = False) -> str:
    """The cookie's value of somebody who has just logged in."""
    from django.contrib import auth
    from django.contrib.auth.models import Group
    from django.contrib.sessions.backends.db import SessionStore

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
