"""Secrets: keys are compared by hash, what must be read again is sealed. Pure."""

import base64
import binascii
import hashlib
import secrets
import string

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from orgs.errors import SecretUnreadable

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 40  # 238 bits; the published clients want at least 29 after the prefix
START_LENGTH = 10  # enough to tell keys apart in a list, too little to use


def make_key(prefix: str) -> str:
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def hash_key(key: str) -> bytes:
    """SHA-256, 32 bytes. Undecodable text hashes too, so that it is just unknown."""
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()


# --- secrets that must be read again ----------------------------------------------

_LAYOUT = 1
_NONCE = 12
_KEY_LENGTH = 32
_OWN_KEY = "0"  # of the key made from SECRET_KEY


def read_keys(text: str, *, secret_key: str) -> dict[str, bytes]:
    """`id:base64key,…` as keys by id; the first one seals, every one opens.

    Last comes, as "0", a key made from SECRET_KEY: alone it is the default, and what it
    sealed stays readable when real keys are set. Raises `ValueError`.
    """
    keys = dict(_read_key(part.strip()) for part in text.split(",") if part.strip())
    if len(keys) < sum(1 for part in text.split(",") if part.strip()):
        raise ValueError("an encryption key ID is given more than once")
    return {**keys, _OWN_KEY: keys.get(_OWN_KEY) or _derived(secret_key)}


def _read_key(part: str) -> tuple[str, bytes]:
    id_, _, encoded = part.partition(":")
    if not (id_.isascii() and id_.isalnum()):
        raise ValueError(
            "an encryption key ID must be letters and digits, as in id:base64key"
        )
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_LENGTH:
        raise ValueError(f"encryption key {id_!r} is not 32 bytes in base64")
    return id_, key


def _derived(secret_key: str) -> bytes:
    purpose = b"orgdesk secrets at rest"
    return HKDF(SHA256(), _KEY_LENGTH, salt=None, info=purpose).derive(
        secret_key.encode()
    )


def encrypt(text: str, *, associated_data: str) -> bytes:
    """AES-256-GCM with the first key: layout | id length | key id | nonce | sealed.

    `bound_to` names the row; moved to another one the secret does not open.
    """
    id_ = encryption_key_id()
    head = bytes([_LAYOUT, len(id_)]) + id_.encode()
    nonce = secrets.token_bytes(_NONCE)
    cipher = AESGCM(settings.ENCRYPTION_KEYS[id_])
    return (
        head
        + nonce
        + cipher.encrypt(nonce, text.encode(), _bound(head, associated_data))
    )


def decrypt(encrypted: bytes, *, associated_data: str) -> str:
    """The secret; raises `SecretUnreadable`, which tells nothing of it."""
    id_ = key_id_of(encrypted)
    start = 2 + len(id_)
    key = settings.ENCRYPTION_KEYS.get(id_)
    if key is None:
        raise SecretUnreadable(f"Encryption key {id_!r} not found in ENCRYPTION_KEYS.")
    nonce, body = encrypted[start : start + _NONCE], encrypted[start + _NONCE :]
    bound = _bound(encrypted[:start], associated_data)
    try:
        return AESGCM(key).decrypt(nonce, body, bound).decode()
    except (InvalidTag, ValueError):
        raise SecretUnreadable(
            f"The secret of {associated_data} can't be decrypted."
        ) from None


def encryption_key_id() -> str:
    return str(next(iter(settings.ENCRYPTION_KEYS)))


def key_id_of(encrypted: bytes) -> str:
    """Which key sealed it; raises `SecretUnreadable` for what was never sealed."""
    if len(encrypted) < 2 + _NONCE or encrypted[0] != _LAYOUT:
        raise SecretUnreadable("This is not an encrypted secret.")
    return encrypted[2 : 2 + encrypted[1]].decode(errors="replace")


def _bound(head: bytes, associated_data: str) -> bytes:
    return head + associated_data.encode()
