"""Secrets of keys: made, shown once, compared by hash. Pure."""

import hashlib
import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 40  # 238 bits; the published clients want at least 29 after the prefix
START_LENGTH = 10  # enough to tell keys apart in a list, too little to use


def make_key(prefix: str) -> str:
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def hash_key(key: str) -> bytes:
    """SHA-256, 32 bytes. Undecodable text hashes too, so that it is just unknown."""
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()
