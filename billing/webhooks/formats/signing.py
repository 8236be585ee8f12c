"""Signatures of Standard Webhooks: HMAC-SHA256 of ID, time and body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
_LENGTH = 32  # bytes; the specification allows 24 to 64


def make_secret() -> str:
    """Return a new signing secret as receivers store it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_LENGTH)).decode()


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message by one secret."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def signature_headers(
    secret_texts: Iterable[str], *, message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Return the headers of a message, with a signature by each of the secrets."""
    signatures = (
        sign(secret, message_id=message_id, timestamp=timestamp, body=body)
        for secret in secret_texts
    )
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
