"""`load_usage`: record usage events from an NDJSON or CSV file."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from metrics.catalog import METERS, RECORDABLE
from metrics.commands.partitions import make_partitions
from metrics.commands.record import record_usage
from metrics.commands.roll_up import roll_up_usage
from metrics.events import IncomingEvent, parse_event
from orgs.errors import InputRejected
from orgs.management.loading import LoadCommand, Loaded
from orgs.management.records import Layout
from orgs.management.rejects import Reject


class Command(LoadCommand):
    help = "Record usage events from NDJSON, or from CSV with one column per meter."
    batch_size = 10_000
    layout = Layout(
        required={"id", "timestamp", "product"},
        optional={
            *("organization", "organization_id", "project", "project_id"),
            *RECORDABLE,
        },
    )

    def handle(self, **options: Any) -> None:
        make_partitions()
        super().handle(**options)

    def load(self, batch: Sequence[tuple[int, bytes | Mapping[str, str]]]) -> Loaded:
        loaded = Loaded()
        events: list[tuple[int, IncomingEvent]] = []
        for number, content in batch:
            raw = (
                content if isinstance(content, bytes) else orjson.dumps(_event(content))
            )
            try:
                events.append((number, parse_event(raw)))
            except InputRejected as error:
                loaded.reject(number, error)
        recorded = record_usage(self.white_label, events)
        loaded.counts["accepted"] = recorded.accepted
        loaded.counts["duplicates"] = recorded.duplicates
        loaded.rejects += [
            Reject(rejection.index, rejection.code, rejection.message)
            for rejection in recorded.rejected
        ]
        return loaded

    def finish(self) -> None:
        roll_up_usage()


def _event(row: Mapping[str, str]) -> dict[str, Any]:
    """Return a row as a JSON object without its empty cells."""
    event: dict[str, Any] = {"quantities": {}}
    for name, cell in row.items():
        if not cell:
            continue
        if name in METERS:
            event["quantities"][name] = _integer(cell)
        else:
            event[name] = _integer(cell) if name.endswith("_id") else cell
    return event


def _integer(text: str) -> int | str:
    """Return an integer if the parser can read it, or else the text for its error."""
    digits = text.removeprefix("-")
    is_integer = (
        digits.isascii() and digits.isdigit() and len(digits) <= len(str(2**63))
    )
    number = int(text) if is_integer else 0
    return number if is_integer and -(2**63) <= number < 2**64 else text
