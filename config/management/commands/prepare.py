"""What `make up` runs before it serves: migrations, static files, demo data."""

import hashlib
import importlib.metadata
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import connection

from config.embedded import trouble

_SHAPING = ["brotli", "django", "django-htmx", "plotly", "whitenoise"]


class Command(BaseCommand):
    help = "Migrate, collect changed static files and seed an empty database."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Compressing takes longest, so it runs beside the migrations."""
        check_redis()
        connection.ensure_connection()
        connection.close()  # a connection shared with a fork would be ruined
        collecting = start_collecting()
        call_command("migrate", verbosity=0, interactive=False)
        if collecting and os.waitpid(collecting, 0)[1] != 0:
            raise CommandError("collectstatic failed: see above")
        if settings.DEMO:
            call_command("seed_demo", stdout=self.stdout)


def check_redis() -> None:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=3)
    try:
        client.ping()
    except redis.RedisError as error:
        raise CommandError(trouble.redis_sentence(error)) from None
    finally:
        client.close()


def start_collecting() -> int | None:
    """Fork a collectstatic when something changed; 2 s that a warm start is spared."""
    stamp = settings.STATE_DIR / "static.fingerprint"
    wanted = fingerprint()
    built = (settings.STATIC_ROOT / "staticfiles.json").exists()
    if built and stamp.exists() and stamp.read_text() == wanted:
        return None
    if child := os.fork():
        return child
    try:
        call_command("collectstatic", verbosity=0, interactive=False, clear=True)
        stamp.write_text(wanted)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def fingerprint() -> str:
    """Name, size and time of every source file, and the versions that shape them."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for package in _SHAPING:
        digest.update(importlib.metadata.version(package).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return digest.hexdigest()
