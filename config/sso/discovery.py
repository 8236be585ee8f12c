"""The provider's documents: its addresses and its keys, cached for some minutes."""

import time
from dataclasses import dataclass
from typing import Any

from config.sso.errors import ProviderUnavailable
from config.sso.requests import fetch_json, is_as_secure

CACHE_SECONDS = 600
_REFRESH_SECONDS = 60  # keys are fetched again for an unknown key at most this often
_PATH = "/.well-known/openid-configuration"
_REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(slots=True)
class _Cached:
    value: dict[str, Any]
    at: float


_DOCUMENTS: dict[str, _Cached] = {}


def read_configuration(issuer: str) -> dict[str, Any]:
    """Return the provider's configuration; raise `ProviderUnavailable`.

    Its issuer must be exactly the one of the setting, and no address of it may have
    less TLS.
    """
    url = issuer.rstrip("/") + _PATH
    return _cached(url, lambda: _checked(fetch_json(url), issuer), CACHE_SECONDS)


def read_keys(jwks_uri: str, *, again: bool = False) -> dict[str, Any]:
    """Return the provider's signing keys; `again` for a key that is not among them."""
    seconds = _REFRESH_SECONDS if again else CACHE_SECONDS
    return _cached(jwks_uri, lambda: fetch_json(jwks_uri), seconds)


def _cached(url: str, fetch: Any, seconds: float) -> dict[str, Any]:
    entry, now = _DOCUMENTS.get(url), time.monotonic()
    if entry is None or now - entry.at > seconds:
        entry = _DOCUMENTS[url] = _Cached(fetch(), now)
    return entry.value


def _checked(document: dict[str, Any], issuer: str) -> dict[str, Any]:
    if document.get("issuer") != issuer:
        raise ProviderUnavailable("the provider's document names another issuer")
    for name in _REQUIRED:
        if not is_as_secure(document.get(name), issuer):
            raise ProviderUnavailable(f"the provider's document has no valid {name}")
    return document
