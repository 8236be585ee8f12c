"""Sealing the history: a digest of each day's rows, chained to the one before.

A row is in exactly one seal, by its id, not by its time: a transaction that began
yesterday and commits today belongs to the next seal. A seal waits for the transactions
that may still add rows to its range; it locks nothing.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from orgs.models import HistorySeal, SealedRows
from orgs.queries.evidence import (
    EvidenceTable,
    columns_of,
    drawn_ids,
    iterate_hashes,
    sealed_tables,
    writing_transactions,
)
from orgs.queries.seals import verify
from orgs.security_log import Kind, record

BEGINNING = bytes(32)  # what the first seal follows
LONGEST_WAIT = timedelta(seconds=20)
_PAUSE_SECONDS = 0.2
_MOST_ROWS = 2_000_000  # of a table in one seal: a minute; the next one has the rest

_RECENT = timedelta(days=7)
logger = logging.getLogger(__name__)

Pause = Callable[[float], None]


def seal_due(*, pause: Pause = time.sleep) -> HistorySeal | None:
    """Seal the history if no seal has closed yesterday; a periodic task calls it."""
    last = HistorySeal.objects.order_by("-number").first()
    if last is not None and last.day >= _yesterday():
        return None
    return seal_history(pause=pause)


def seal_history(
    *, pause: Pause = time.sleep, wait: timedelta = LONGEST_WAIT
) -> HistorySeal | None:
    """Seal all rows that are final; return the seal.

    None if a transaction that may still add such rows outlasts the wait, or if another
    process sealed at the same time: the next run seals the same rows.
    """
    until = drawn_ids()
    if not _await_writers(pause, wait):
        return None
    try:
        with transaction.atomic():
            seal = _write_seal(until)
    except IntegrityError:
        return None
    rows = sum(table["rows"] for table in seal.manifest.values())
    details = {
        "number": seal.number,
        "day": seal.day.isoformat(),
        "digest": bytes(seal.digest).hex(),
        "rows": rows,
    }
    record(Kind.HISTORY_SEALED, details=details)
    return seal


def verify_recent() -> None:
    """Verify the chain, and the rows of the last week; record the first difference.

    `manage.py verify_history` verifies all rows, which takes minutes for millions.
    """
    result = verify(digest_of, since=_yesterday() - _RECENT)
    if breach := result.breach:
        what = f"Seal {breach.seal}: {breach.what}."
        logger.error("history_broken what=%s", what)
        record(Kind.HISTORY_BROKEN, details={"what": what})


def _yesterday() -> date:
    return timezone.now().astimezone(UTC).date() - timedelta(days=1)


def _await_writers(pause: Pause, wait: timedelta) -> bool:
    """Wait for the transactions that write at present; return whether all have ended.

    Those that begin meanwhile are not waited for: their rows have higher ids.
    """
    writers = writing_transactions()
    for _ in range(int(wait.total_seconds() / _PAUSE_SECONDS)):
        if not writers:
            break
        pause(_PAUSE_SECONDS)
        writers &= writing_transactions()
    return not writers


def _write_seal(until: dict[str, int]) -> HistorySeal:
    last = HistorySeal.objects.order_by("-number").first()
    seal = HistorySeal(
        number=last.number + 1 if last else 1,
        day=_yesterday(),
        sealed_at=timezone.now(),
        previous=bytes(last.digest) if last else BEGINNING,
        digest=b"",
        manifest={},
    )
    parts: list[SealedRows] = []
    for table in sealed_tables():
        after = _sealed_until(last, table.name)
        entry = _hash_table(table, after, until[table.name], parts)
        seal.manifest[table.name] = entry
    seal.digest = digest_of(seal)
    seal.save(force_insert=True)
    for part in parts:
        part.seal = seal
    SealedRows.objects.bulk_create(parts, batch_size=20)
    return seal


def _sealed_until(last: HistorySeal | None, table: str) -> int:
    """Return the last id of a table that the seals cover; 0 for a new table."""
    entry = last.manifest.get(table) if last else None
    return int(entry["until"]) if entry else 0


def _hash_table(
    table: EvidenceTable, after: int, until: int, parts: list[SealedRows]
) -> dict[str, Any]:
    """Return the entry of a table in the manifest, and add the hashes of its rows."""
    columns, digest, rows = columns_of(table), hashlib.sha256(), 0
    until = min(until, after + _MOST_ROWS)
    for last_id, hashes in iterate_hashes(table, columns, after=after, until=until):
        digest.update(hashes)
        rows += len(hashes) // 24
        parts.append(SealedRows(table=table.name, last_id=last_id, hashes=hashes))
    return {
        "after": after,
        "until": max(after, until),
        "rows": rows,
        "columns": columns,
        "digest": digest.hexdigest(),
    }


def digest_of(seal: HistorySeal) -> bytes:
    """Return the digest of a seal: of the one before, its number, day, and manifest."""
    facts = {
        "number": seal.number,
        "day": seal.day.isoformat(),
        "sealed_at": _text(seal.sealed_at),
        "manifest": seal.manifest,
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(bytes(seal.previous) + text.encode()).digest()


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
