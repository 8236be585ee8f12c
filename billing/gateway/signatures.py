"""Signatures of webhooks, computed over the exact bytes that arrived.

Not by the SDK's function: that accepts timestamps in the future, fails on a header that
is not ASCII, and would load the SDK into every web process.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from billing.gateway.errors import BadSignature

TOLERANCE_SECONDS = 300
_CLOCK_SKEW_SECONDS = 10  # how far Stripe's clock may be ahead of this machine's
_LONGEST_HEADER = 4_096
_TIME = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


def verify(payload: bytes, header: str, secrets: Sequence[str], now: datetime) -> None:
    """Check that Stripe signed `payload` with any of the secrets, within 5 minutes.

    There are two secrets while one replaces the other. Raises `BadSignature`, whose
    message does not reveal the expected signature.
    """
    signed_at, signatures = _parts(header)
    age = now.timestamp() - int(signed_at)
    if not -_CLOCK_SKEW_SECONDS <= age <= TOLERANCE_SECONDS:
        raise BadSignature("The signature's timestamp is outside the tolerance.")
    message = signed_at.encode() + b"." + payload
    expected = [
        hmac.new(secret.encode(), message, sha256).hexdigest() for secret in secrets
    ]
    if not any(hmac.compare_digest(a, b) for a in expected for b in signatures):
        raise BadSignature("The signature does not match the payload.")


def _parts(header: str) -> tuple[str, list[str]]:
    """Return the timestamp as Stripe wrote it, and the signatures of scheme v1."""
    pairs = [
        part.strip().partition("=") for part in header[:_LONGEST_HEADER].split(",")
    ]
    times = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]):
        raise BadSignature("The signature has no timestamp.")
    return times[0], [text for text in signatures if _SIGNATURE.fullmatch(text)]
