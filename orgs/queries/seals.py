"""Verifying the history against its seals: the first row that differs is named."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from orgs.models import HistorySeal, SealedRows
from orgs.queries.evidence import (
    EvidenceTable,
    columns_of,
    drawn_ids,
    iterate_hashes,
    sealed_tables,
    split_hashes,
)

# The retention of the security log never deletes younger rows.
SHORTEST_RETENTION = timedelta(days=90)
_RETAINED = "orgs_securityevent"
Digest = Callable[[HistorySeal], bytes]


@dataclass(frozen=True, slots=True)
class Breach:
    """The first difference between the history and a seal."""

    seal: int
    day: date | None
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of a verification; `breach` is None if all of it matches."""

    seals: int
    rows: int
    unsealed: int
    breach: Breach | None


def export_seals() -> Iterator[str]:
    """Yield the seals, oldest first, as lines of JSON to keep elsewhere."""
    for seal in HistorySeal.objects.order_by("number").iterator():
        yield json.dumps(describe(seal))


def describe(seal: HistorySeal) -> dict[str, Any]:
    """Return what proves a seal: number, day, digest, and that of the one before."""
    return {
        "number": seal.number,
        "day": seal.day.isoformat(),
        "sealed_at": seal.sealed_at.isoformat(),
        "rows": sum(table["rows"] for table in seal.manifest.values()),
        "previous": bytes(seal.previous).hex(),
        "digest": bytes(seal.digest).hex(),
    }


def verify(
    digest_of: Digest,
    *,
    exported: Iterable[Mapping[str, Any]] = (),
    since: date | None = None,
) -> Verified:
    """Compare all rows with the seals, and the seals with each other and with a file.

    `exported` are seals of a file, which show that later ones were removed. `since`
    verifies only the rows of seals from a day on; the chain is always verified from its
    beginning. Stops at the first difference.
    """
    seals = list(HistorySeal.objects.order_by("number"))
    breach = _find_broken_chain(seals, digest_of) or _find_missing(seals, exported)
    rows = 0
    for seal in seals if breach is None else []:
        if since is None or seal.day >= since:
            count, breach = _verify_rows(seal)
            rows += count
            if breach:
                break
    return Verified(len(seals), rows, _count_unsealed(seals), breach)


def _find_broken_chain(seals: list[HistorySeal], digest_of: Digest) -> Breach | None:
    previous = bytes(32)
    for number, seal in enumerate(seals, 1):
        if seal.number != number:
            return Breach(number, None, f"seal {number} is missing")
        if bytes(seal.previous) != previous:
            return Breach(number, seal.day, "it does not follow the seal before it")
        if digest_of(seal) != bytes(seal.digest):
            return Breach(number, seal.day, "the seal itself was changed")
        previous = bytes(seal.digest)
    return None


def _find_missing(
    seals: list[HistorySeal], exported: Iterable[Mapping[str, Any]]
) -> Breach | None:
    """Return the first seal of a file that is missing or another one by now."""
    digests = {seal.number: bytes(seal.digest).hex() for seal in seals}
    for line in exported:
        number, day = int(line["number"]), date.fromisoformat(line["day"])
        if number not in digests:
            return Breach(number, day, f"seal {number} of the file is missing")
        if digests[number] != line["digest"]:
            return Breach(number, day, f"seal {number} differs from that of the file")
    return None


def _verify_rows(seal: HistorySeal) -> tuple[int, Breach | None]:
    known, rows = {table.name: table for table in sealed_tables()}, 0
    for name, entry in sorted(seal.manifest.items()):
        table = known.get(name)
        if table is None:
            return rows, _breach(seal, f"the table {name} is missing")
        what = _verify_table(seal, table, entry)
        if what:
            return rows, _breach(seal, what)
        rows += int(entry["rows"])
    return rows, None


def _breach(seal: HistorySeal, what: str) -> Breach:
    return Breach(seal.number, seal.day, what)


def _verify_table(
    seal: HistorySeal, table: EvidenceTable, entry: Mapping[str, Any]
) -> str:
    """Return the first difference of a table's rows, or an empty text."""
    columns = list(entry["columns"])
    if missing := sorted({*columns} - {*columns_of(table)}):
        return f"the column {missing[0]} of {table.name} is missing"
    digest, after = hashlib.sha256(), int(entry["after"])
    parts = SealedRows.objects.filter(seal=seal, table=table.name).order_by("last_id")
    for part in parts.iterator(chunk_size=10):
        digest.update(part.hashes)
        sealed = split_hashes(bytes(part.hashes))
        until = part.last_id
        if what := _compare(seal, table, columns, sealed, (after, until)):
            return what
        after = until
    if digest.hexdigest() != entry["digest"]:
        return f"the hashes of {table.name} were changed"
    return _compare(seal, table, columns, {}, (after, int(entry["until"])))


def _compare(
    seal: HistorySeal,
    table: EvidenceTable,
    columns: list[str],
    sealed: Mapping[int, bytes],
    ids: tuple[int, int],
) -> str:
    """Return the first difference in a range of ids, or an empty text."""
    after, until = ids
    present: dict[int, bytes] = {}
    for _, hashes in iterate_hashes(table, columns, after=after, until=until):
        present |= split_hashes(hashes)
    if present == sealed:
        return ""
    for id_ in sorted({*sealed, *present}):
        if id_ not in present and not _is_retired(seal, table, id_):
            return f"row {id_} of {table.name} was deleted"
        if id_ not in sealed:
            return f"row {id_} of {table.name} was inserted later"
        if id_ in present and present[id_] != sealed[id_]:
            return f"row {id_} of {table.name} was changed"
    return ""


def _is_retired(seal: HistorySeal, table: EvidenceTable, id_: int) -> bool:
    """Return whether the retention may have deleted a row: old, with all before it."""
    is_old = seal.sealed_at < timezone.now() - SHORTEST_RETENTION
    return table.name == _RETAINED and is_old and id_ < _first_retained()


def _first_retained() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "select coalesce(min(id), 2 ^ 62)::bigint from orgs_securityevent"
        )
        return int(cursor.fetchone()[0])


def _count_unsealed(seals: list[HistorySeal]) -> int:
    """Return about how many rows no seal covers yet: the ids that were drawn since."""
    manifest = seals[-1].manifest if seals else {}
    drawn = drawn_ids()
    return sum(
        max(0, last - int(manifest.get(name, {}).get("until", 0)))
        for name, last in drawn.items()
    )
