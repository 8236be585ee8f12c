"""Encryption at rest of seeds, recovery codes and passkeys.

allauth has a hook that encrypts seeds, but it does not know the row, and passkeys do
not pass it. So the column `data` is encrypted as a whole whenever a row is written, and
decrypted whenever one is read.
"""

import json
from base64 import b64decode, b64encode
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models.signals import post_init, post_save, pre_save

from orgs.commands.reencryption import ReencryptedBatch
from orgs.crypto import decrypt, encrypt, encryption_key_id, key_id_of
from orgs.errors import SecretUnreadable

_KEY = "encrypted"


def associated_data(user_id: int, type_: str) -> str:
    """Return what the encrypted data is bound to: it is of no use to another user."""
    return f"second factor {type_} of user {user_id}"


def connect() -> None:
    """Encrypt and decrypt around every read and write of a row."""
    pre_save.connect(_encrypt, Authenticator, dispatch_uid="encrypt_factor")
    post_save.connect(_decrypt, Authenticator, dispatch_uid="decrypt_factor")
    post_init.connect(_decrypt, Authenticator, dispatch_uid="read_factor")


def _encrypt(*, instance: Authenticator, **_: Any) -> None:
    instance.data = encrypted_data(instance.user_id, instance.type, instance.data)


def _decrypt(*, instance: Authenticator, **_: Any) -> None:
    """Raise `SecretUnreadable` for data of another row or a missing key."""
    data = instance.__dict__.get("data")
    if isinstance(data, dict) and _KEY in data:
        instance.data = _decrypted_data(instance.user_id, instance.type, data)


def encrypted_data(user_id: int, type_: str, data: dict[str, Any]) -> dict[str, str]:
    """Return the content of the column `data` for a factor's data."""
    row_data = associated_data(user_id, type_)
    encrypted = encrypt(json.dumps(data), associated_data=row_data)
    return {_KEY: b64encode(encrypted).decode()}


def _decrypted_data(user_id: int, type_: str, stored: dict[str, str]) -> Any:
    row_data = associated_data(user_id, type_)
    return json.loads(decrypt(b64decode(stored[_KEY]), associated_data=row_data))


@transaction.atomic
def reencrypt_factors(*, after_id: int, limit: int) -> ReencryptedBatch | None:
    """Encrypt the data of a batch of factors with the first key; None if none are left.

    The rows are locked against a change of their data meanwhile. An interrupted run can
    simply be started again.
    """
    rows = Authenticator.objects.select_for_update().filter(pk__gt=after_id)
    values = rows.order_by("pk").values_list("pk", "user_id", "type", "data")[:limit]
    batch = list(values)
    if not batch:
        return None
    result = ReencryptedBatch(last_id=batch[-1][0])
    for row in batch:
        _reencrypt(row, result)
    return result


def _reencrypt(row: tuple[int, int, str, Any], result: ReencryptedBatch) -> None:
    id_, user_id, type_, stored = row
    try:
        if key_id_of(b64decode(stored[_KEY])) == encryption_key_id():
            result.current += 1
            return
        data = _decrypted_data(user_id, type_, stored)
    except (SecretUnreadable, KeyError):
        result.unreadable.append(f"second factor {id_}")
        return
    encrypted = encrypted_data(user_id, type_, data)
    Authenticator.objects.filter(pk=id_).update(data=encrypted)
    result.reencrypted += 1
