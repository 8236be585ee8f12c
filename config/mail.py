"""`EMAIL_URL` as Django's settings.

`smtp://` speaks in the clear, `smtp+tls://` goes over to TLS (STARTTLS), `smtps://` and
`smtp+ssl://` begin with it; name and password before the host, percent-encoded.
"""

from typing import Any
from urllib.parse import urlsplit

import environ

_TLS_FROM_THE_FIRST_BYTE = ("smtps", "smtp+ssl")


def email_settings(url: str) -> dict[str, Any]:
    """Raises `ImproperlyConfigured` for a scheme that is none."""
    found: dict[str, Any] = environ.Env.email_url_config(url)
    if urlsplit(url).scheme in _TLS_FROM_THE_FIRST_BYTE:
        # django-environ takes `smtps` for STARTTLS, and would wait for a greeting.
        found |= {"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": True}
    return found
