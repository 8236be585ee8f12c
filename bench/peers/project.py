"""The settings of the peers that are Django projects."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings

from bench.peers.common import DATABASE_URL, SECRET_KEY

_url = urlsplit(DATABASE_URL)


def configure(**options: Any) -> None:
    """Configure Django as in a careful deployment: with a pool, without debugging."""
    settings.configure(
        SECRET_KEY=SECRET_KEY,
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=options["ROOT_URLCONF"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": _url.path.strip("/"),
                "USER": _url.username,
                "HOST": parse_qs(_url.query)["host"][0],
                "OPTIONS": {"pool": {"min_size": 1, "max_size": 8}},
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        **{name: value for name, value in options.items() if name != "ROOT_URLCONF"},
    )
