"""The security headers of responses that do not pass Django's middleware."""

from django.conf import settings

from config.page_middleware import API_POLICY

NO_STORE = "private, no-store"
_CONSTANT = (
    ("Content-Security-Policy", API_POLICY),
    ("X-Frame-Options", settings.X_FRAME_OPTIONS),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", settings.SECURE_REFERRER_POLICY),
    ("Cross-Origin-Opener-Policy", settings.SECURE_CROSS_ORIGIN_OPENER_POLICY),
)


def outside_headers() -> tuple[tuple[str, str], ...]:
    """Return the headers of every response that loads nothing and may not be framed."""
    return (*_CONSTANT, *strict_transport())


def strict_transport() -> tuple[tuple[str, str], ...]:
    """Return the header that makes browsers use TLS, if this installation does."""
    if not settings.SECURE_HSTS_SECONDS:
        return ()
    value = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
    return (("Strict-Transport-Security", value),)
