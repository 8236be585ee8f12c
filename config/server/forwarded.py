"""Forwarded headers are removed, or checked, before anything can read them."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings

from config.server.refusals import refuse
from orgs.access.addresses import client_address, forwarded_scheme
from orgs.errors import DomainError

logger = logging.getLogger(__name__)
Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

# Who the client is and what it asked for, as a proxy or a forger reports it.
_FORWARDED = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_SCHEME",
    "HTTP_X_FORWARDED_SSL",
    "HTTP_X_REAL_IP",
    "HTTP_X_CLIENT_IP",
    "HTTP_FRONT_END_HTTPS",
)
_TRUSTED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO")


class ForwardedHeaders:
    """A WSGI application that passes on only what trusted proxies report.

    Without trusted proxies no forwarded header reaches the application. With them the
    client's address and the scheme do; if either is malformed, the request is a 400.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self.warned = False

    def __call__(self, environ: Environ, start: Any) -> Iterable[bytes]:
        try:
            self._check(environ)
        except DomainError as error:
            return _refuse(environ, start, error)
        return self.application(environ, start)

    def _check(self, environ: Environ) -> None:
        reported = [name for name in _FORWARDED if name in environ]
        if not reported:
            return
        if not settings.TRUSTED_PROXIES:
            self._warn(reported)
        facts = _reported_facts(environ) if settings.TRUSTED_PROXIES else {}
        for name in reported:
            del environ[name]
        environ |= facts

    def _warn(self, reported: list[str]) -> None:
        """Log once that there seems to be a proxy which is not configured."""
        if self.warned:
            return
        self.warned = True
        names = ", ".join(_spelled(name) for name in reported)
        logger.warning(
            "proxy_not_trusted headers=%s: ignored, because TRUSTED_PROXY_COUNT is 0."
            " If there is a proxy in front, set TRUSTED_PROXY_COUNT; otherwise a client"
            " tries to forge its address.",
            names,
        )


def _reported_facts(environ: Environ) -> dict[str, str]:
    """Return both headers with one value each: what our outermost proxy reports."""
    values = (
        client_address(environ) if environ.get(_TRUSTED[0]) else "",
        forwarded_scheme(environ),
    )
    return {name: value for name, value in zip(_TRUSTED, values, strict=True) if value}


def _spelled(name: str) -> str:
    return name.removeprefix("HTTP_").replace("_", "-").title()


def _refuse(environ: Environ, start: Any, error: DomainError) -> Iterable[bytes]:
    refusal = refuse(environ, error)
    start(f"{refusal.status} {refusal.reason}", refusal.headers)
    return [refusal.body]
