"""A real provider of OpenID Connect on this machine, in a thread."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from oidc_provider_mock import run_server_in_thread


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True)
class Provider:
    """A provider at `issuer`, whose persons are what `know` says."""

    issuer: str

    def know(self, subject: str, **claims: Any) -> None:
        """Let a person have these claims from now on."""
        url = f"{self.issuer}/users/{quote(subject)}"
        body = json.dumps(claims).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(url, body, headers, method="PUT")
        _OPENER.open(request).close()

    def authorize(self, url: str, subject: str) -> str:
        """Log a person in at the provider; return where the browser is sent."""
        return _location(url, {"sub": subject})

    def deny(self, url: str) -> str:
        return _location(url, {"action": "deny"})


def _location(url: str, form: Mapping[str, str]) -> str:
    try:
        _OPENER.open(url, urlencode(form).encode())
    except urllib.error.HTTPError as answer:
        with answer:
            return str(answer.headers["Location"])
    raise AssertionError("the provider sent no redirect")


@contextmanager
def running_provider() -> Iterator[Provider]:
    with run_server_in_thread() as server:
        yield Provider(f"http://localhost:{server.server_port}")
