"""Hashes of API keys, and encryption of secrets that have to be read again.

Pure functions, apart from the encryption keys in the settings.
"""

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
_LENGTH = 40  # 238 bits; the published clients require at least 29 characters
START_LENGTH = 10  # enough to identify a key in a list, too little to use it


def make_key(prefix: str) -> str:
    """Return the text of a new API key."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def hash_key(key: str) -> bytes:
    """Return the SHA-256 hash of a key, 32 bytes.

    Text that is not valid UTF-8 has a hash too: it is an unknown key, not an error.
    """
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()


_LAYOUT_VERSION = 1
_NONCE_LENGTH = 12
_KEY_LENGTH = 32
_DERIVED_KEY_ID = "0"  # of the key that is derived from SECRET_KEY


def read_keys(text: str, *, secret_key: str) -> dict[str, bytes]:
    """Return the keys of a text `id:base64key,…` by id; raise `ValueError`.

    The first key encrypts, all of them decrypt. The last one, "0", is derived from
    SECRET_KEY: it is the default, and what it encrypted stays readable later on.
    """
    keys = dict(_read_key(part.strip()) for part in text.split(",") if part.strip())
    if len(keys) < sum(1 for part in text.split(",") if part.strip()):
        raise ValueError("an encryption key ID is given more than once")
    derived_key = keys.get(_DERIVED_KEY_ID) or _derive_key(secret_key)
    return {**keys, _DERIVED_KEY_ID: derived_key}


def _read_key(part: str) -> tuple[str, bytes]:
    id_, _, encoded = part.partition(":")
    if not (id_.isascii() and id_.isalnum()):
        raise ValueError(
            "an encryption key ID must be alphanumeric, as in id:base64key"
        )
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_LENGTH:
        raise ValueError(f"encryption key {id_!r} is not 32 bytes in base64")
    return id_, key


def _derive_key(secret_key: str) -> bytes:
    purpose = b"orgdesk secrets at rest"
    return HKDF(SHA256(), _KEY_LENGTH, salt=None, info=purpose).derive(
        secret_key.encode()
    )


def encrypt(text: str, *, associated_data: str) -> bytes:
    """Encrypt a secret by AES-256-GCM with the first key.

    Returns layout version | length of key id | key id | nonce | ciphertext. The
    associated data names the row: the secret cannot be decrypted for another one.
    """
    id_ = encryption_key_id()
    head = bytes([_LAYOUT_VERSION, len(id_)]) + id_.encode()
    nonce = secrets.token_bytes(_NONCE_LENGTH)
    cipher = AESGCM(settings.ENCRYPTION_KEYS[id_])
    return (
        head
        + nonce
        + cipher.encrypt(nonce, text.encode(), _bound(head, associated_data))
    )


def decrypt(encrypted: bytes, *, associated_data: str) -> str:
    """Return the secret; raise `SecretUnreadable`, which contains nothing of it."""
    id_ = key_id_of(encrypted)
    start = 2 + len(id_)
    key = settings.ENCRYPTION_KEYS.get(id_)
    if key is None:
        raise SecretUnreadable(f"Encryption key {id_!r} not found in ENCRYPTION_KEYS.")
    nonce, body = (
        encrypted[start : start + _NONCE_LENGTH],
        encrypted[start + _NONCE_LENGTH :],
    )
    bound = _bound(encrypted[:start], associated_data)
    try:
        return AESGCM(key).decrypt(nonce, body, bound).decode()
    except (InvalidTag, ValueError):
        raise SecretUnreadable(
            f"The secret of {associated_data} can't be decrypted."
        ) from None


def encryption_key_id() -> str:
    """Return the id of the key that encrypts new secrets."""
    return str(next(iter(settings.ENCRYPTION_KEYS)))


def key_id_of(encrypted: bytes) -> str:
    """Return the id of the key that encrypted a secret.

    Raises `SecretUnreadable` for anything that is not an encrypted secret.
    """
    if len(encrypted) < 2 + _NONCE_LENGTH or encrypted[0] != _LAYOUT_VERSION:
        raise SecretUnreadable("This is not an encrypted secret.")
    return encrypted[2 : 2 + encrypted[1]].decode(errors="replace")


def _bound(head: bytes, associated_data: str) -> bytes:
    return head + associated_data.encode()
