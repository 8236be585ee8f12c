"""Answers of API writes that are repeated instead of made again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from orgs.errors import Conflict, DomainError
from orgs.models import IdempotencyKey

RETENTION = timedelta(days=3)  # at least; the task that deletes runs once an hour
_BATCH = 10_000
# Held to the end of the write's transaction, before any other lock. It is not waited
# for: a repeated call is answered at once, and its client asks again.
_LOCK = "select pg_try_advisory_xact_lock(hashtextextended(%s, 0))"


class KeyInUse(Conflict):
    """The write with this key is still being made."""

    code = "idempotency_key_in_use"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("A request with this idempotency key is in progress.")


class KeyOfAnotherRequest(DomainError):
    """The key was used for another request."""

    status = 422
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This idempotency key was used for another request. Choose another key."
        )


@dataclass(frozen=True, slots=True)
class NamedWrite:
    """A write that was named with a key by its owner: an API key or a user."""

    owner: str
    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer to a write."""

    status: int
    body: bytes
    content_type: str


def hash_request(parts: Iterable[bytes]) -> bytes:
    """Return the hash by which a repeated request is recognized."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.digest()


def begin_write(write: NamedWrite) -> StoredAnswer | None:
    """Return the answer of the same write before; None if it has to be made now.

    Call it in the transaction of the write. Raises `KeyInUse` while another transaction
    makes it, and `KeyOfAnotherRequest` if the request differs.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [f"idempotency key {write.owner} {write.key}"])
        if not cursor.fetchone()[0]:
            raise KeyInUse
    row = IdempotencyKey.objects.filter(owner=write.owner, key=write.key).first()
    if row is None:
        return None
    if bytes(row.request_hash) != write.request_hash:
        raise KeyOfAnotherRequest
    return StoredAnswer(row.status, bytes(row.body), row.content_type)


def store_answer(write: NamedWrite, answer: StoredAnswer) -> None:
    """Store the answer of a write that succeeded, in its transaction."""
    IdempotencyKey.objects.create(
        owner=write.owner,
        key=write.key,
        request_hash=write.request_hash,
        status=answer.status,
        body=answer.body,
        content_type=answer.content_type,
    )


def delete_old_keys() -> int:
    """Delete keys that are older than `RETENTION`; return how many, 10,000 at most."""
    rows = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - RETENTION)
    oldest = rows.order_by("created_at").values_list("pk", flat=True)[:_BATCH]
    deleted, _ = IdempotencyKey.objects.filter(pk__in=list(oldest)).delete()
    return deleted
