"""The manifest of a downloaded file: what is in it, and how to check that it is whole.

A manifest is another file, so that the CSV has nothing but its header and rows.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.exports.queries.downloads import COMMON, Download
from billing.exports.queries.tables import Selection, Span


@dataclass
class Digest:
    """Size and SHA-256 of the parts that passed, counted while they are sent."""

    size: int = 0  # bytes

    def __post_init__(self) -> None:
        self._hash = hashlib.sha256()

    def pass_through(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the parts, counting them."""
        for part in parts:
            self.size += len(part)
            self._hash.update(part)
            yield part

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def build_manifest(download: Download, *, rows: int, digest: Digest) -> dict[str, Any]:
    """Return the manifest of a file, ready for JSON.

    `amounts` says whether the amounts are final or may still change; `range` is null
    at an end without a bound, and `compared_range` is what a difference is against.
    `currencies` are those of the white labels: a row with
    another one names it.
    """
    table, selection = download.table, download.selection
    organization = selection.organization
    compared = table.compared_span(selection) if table.compared_span else None
    return {
        "file": download.file_name,
        "table": table.slug,
        "title": table.title,
        "created_at": selection.now.astimezone(selection.zone).isoformat(),
        "time_zone": selection.zone.key,
        "range": _range(table.span_of(selection), selection),
        "compared_range": _range(compared, selection) if compared else None,
        "currencies": selection.currencies,
        "amounts": table.amounts_of(selection).value,
        "organization_id": organization.pk if organization else None,
        "white_labels": sorted(label.slug for label in selection.white_labels),
        "parameters": _parameters(selection),
        "columns": list(table.columns),
        "rows": rows,
        "bytes": digest.size,
        "sha256": digest.sha256,
        "for": "excel" if download.for_excel else None,
    }


def _range(span: Span, selection: Selection) -> dict[str, str | None]:
    return {"from": _iso(span.start, selection), "to": _iso(span.end, selection)}


def _iso(value: datetime | None, selection: Selection) -> str | None:
    return value.astimezone(selection.zone).isoformat() if value else None


def _parameters(selection: Selection) -> dict[str, str]:
    query = selection.query
    return {name: str(query[name]) for name in sorted(query) if name not in COMMON}
