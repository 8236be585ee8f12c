"""`EMAIL_URL` as Django's settings.

`smtp://` is not encrypted, `smtp+tls://` goes over to TLS (STARTTLS), `smtps://` and
`smtp+ssl://` begin with it; name and password before the host, percent-encoded.
"""

from typing import Any
from urllib.parse import urlsplit

import environ

_PRINTED = "consolemail://"
_TLS_FROM_THE_FIRST_BYTE = ("smtps", "smtp+ssl")


def email_settings(url: str) -> dict[str, Any]:
    """Return Django's email settings; without a URL, emails are printed.

    Raises `ImproperlyConfigured` for a bad scheme.
    """
    email: dict[str, Any] = environ.Env.email_url_config(url or _PRINTED)
    if urlsplit(url).scheme in _TLS_FROM_THE_FIRST_BYTE:
        # django-environ takes `smtps` for STARTTLS, and would wait for a greeting.
        email |= {"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": True}
    return email
