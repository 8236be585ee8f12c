"""Did Stripe send this, and just now? Over the bytes as they came.

By hand and not by the SDK: that one takes what is signed for tomorrow, breaks on a
header that is not ASCII, and would be loaded into every web process.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from billing.gateway.errors import BadSignature

TOLERANCE_SECONDS = 300
_AHEAD_SECONDS = 10  # two clocks that are each right
_LONGEST = 4_096
_TIME = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


def verify(payload: bytes, header: str, secrets: Sequence[str], now: datetime) -> None:
    """Any of the secrets will do: there are two while one replaces the other.

    Raises `BadSignature`, which does not say what would have been right.
    """
    signed_at, signatures = _parts(header)
    age = now.timestamp() - int(signed_at)
    if not -_AHEAD_SECONDS <= age <= TOLERANCE_SECONDS:
        raise BadSignature("The signature's time is not now.")
    message = signed_at.encode() + b"." + payload
    expected = [
        hmac.new(secret.encode(), message, sha256).hexdigest() for secret in secrets
    ]
    if not any(hmac.compare_digest(a, b) for a in expected for b in signatures):
        raise BadSignature("The signature is not one of ours.")


def _parts(header: str) -> tuple[str, list[str]]:
    """The one time, as it was written, and the signatures of the scheme v1."""
    pairs = [part.strip().partition("=") for part in header[:_LONGEST].split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]):
        raise BadSignature("The signature has no time.")
    return times[0], [text for text in signatures if _SIGNATURE.fullmatch(text)]
