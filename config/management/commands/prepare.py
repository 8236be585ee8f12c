"""The preparation of `make up`: migrations, static files, and demo data or a login."""

import hashlib
import importlib.metadata
import logging
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

from config.dev.demo.seed import ensure_first_login
from config.dev.servers import error_messages

_VERSIONED_PACKAGES = ["brotli", "django", "django-htmx", "plotly", "whitenoise"]


class Command(BaseCommand):
    help = (
        "Migrate, collect changed static files, and fill an empty database with demo"
        " data or, with DEMO=0, with one administrator."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Collect static files in a child during the migrations: it is slow."""
        # Accounts and keys of the demo are rows of the security log, not lines here.
        logging.getLogger("orgdesk.security").setLevel(logging.WARNING)
        check_redis()
        connection.ensure_connection()
        connection.close()  # a fork must not share a connection
        collecting = start_collecting()
        call_command("migrate", verbosity=0, interactive=False)
        if collecting and os.waitpid(collecting, 0)[1] != 0:
            raise CommandError("collectstatic failed: see above")
        if settings.DEMO:
            call_command("seed_demo", stdout=self.stdout)
        else:
            for line in ensure_first_login():
                self.stdout.write(line)


def check_redis() -> None:
    """Raise CommandError unless Redis or Valkey answers."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=3)
    try:
        client.ping()
    except redis.RedisError as error:
        raise CommandError(error_messages.redis_message(error)) from None
    finally:
        client.close()


def start_collecting() -> int | None:
    """Fork a collectstatic if a source changed; return its process id.

    It takes 2 s, which a start without changes saves.
    """
    stamp = settings.STATE_DIR / "static.fingerprint"
    current = fingerprint()
    built = (settings.STATIC_ROOT / "staticfiles.json").exists()
    if built and stamp.exists() and stamp.read_text() == current:
        return None
    if child := os.fork():
        return child
    try:
        call_command("collectstatic", verbosity=0, interactive=False, clear=True)
        stamp.write_text(current)
        os._exit(0)
    except BaseException as error:
        if message := error_messages.message_for(error):
            print(message, file=sys.stderr)
        else:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def fingerprint() -> str:
    """Return a digest of each source's name, size and time, and of package versions."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for package in _VERSIONED_PACKAGES:
        digest.update(importlib.metadata.version(package).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()
