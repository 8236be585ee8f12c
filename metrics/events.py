"""A usage event as it is reported: strict types, named refusals. Pure.

Contract: product.md's usage event, `{id, organization_id | organization, timestamp,
product, project_id? | project?, quantities: {meter: integer}}`.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from metrics.catalog import RECORDABLE

KEPT = timedelta(days=400)  # older events are refused: their month may be dropped
AHEAD = timedelta(days=1)  # clocks differ; more than this is a mistake
# Events kept this long beyond the window: a machine whose clock is weeks wrong drops
# nothing that others still take, and would then take twice.
RETENTION_MARGIN = timedelta(days=30)

PRODUCT = re.compile(r"[A-Za-z0-9._:/-]{1,100}")

Id = Annotated[str, Meta(min_length=1, max_length=200)]
RowId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Quantity = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class IncomingEvent(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One use of a product. Quantities are whole units of their meters."""

    id: Id
    timestamp: Annotated[datetime, Meta(tz=True)]
    product: str  # as `PRODUCT` says: whoever decodes looks, at a batch's few once each
    quantities: Annotated[dict[str, Quantity], Meta(min_length=1)]
    organization_id: RowId | None = None
    organization: Id | None = None
    project_id: RowId | None = None
    project: Id | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the event at `index` was not recorded; its neighbours were."""

    index: int
    code: str
    message: str


class Refused(Exception):
    """An event that cannot be recorded, with its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


_KEY_END = re.compile(rb'"\s*:')
_REQUIRED_KEYS = 4  # id, timestamp, product, quantities
_decoder = msgspec.json.Decoder(IncomingEvent)
_PATH = re.compile(r"`\$\.?([a-z_]*)")
_ACCEPTED = {
    "id": "a string of 1 to 200 characters",
    "timestamp": "an RFC 3339 date-time with an offset, such as 2026-11-21T08:00:00Z",
    "product": "1 to 100 letters, digits, or the characters . _ : / -",
    "quantities": "an object with at least one meter, whose quantities are whole"
    " numbers from 0 to 9223372036854775807",
    "organization_id": "a whole number from 1 to 9223372036854775807",
    "organization": "a string of 1 to 200 characters",
    "project_id": "a whole number from 1 to 9223372036854775807",
    "project": "a string of 1 to 200 characters",
}


def parse_event(raw: bytes | msgspec.Raw) -> IncomingEvent:
    """Read one JSON object; raises `Refused`."""
    try:
        event = _decoder.decode(raw)
        if not PRODUCT.fullmatch(event.product):
            raise Refused("invalid_product", _must_be("product"))
        if len(_KEY_END.findall(raw)) != _keys(event):
            _check_keys(bytes(raw))
        return event
    except msgspec.ValidationError as error:
        raise _refused(str(error), raw) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("invalid_json", "The event is not a JSON object.") from None


_list_decoder = msgspec.json.Decoder(list[IncomingEvent])
_SPACED_KEY = re.compile(rb'"\s+:')
# A body without any of these bytes, or of these pairs, is searched faster.
_SPACES = (b" ", b"\n", b"\r", b"\t")


def parse_all(body: bytes) -> list[IncomingEvent] | None:
    """Read a JSON array of events at once; null when it takes a look at each.

    That is when one of them is wrong, or keys could be given twice: there are more
    colons after quotes than keys, or not all can be counted.
    """
    try:
        events = _list_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if body.count(b'":') != _keys_of(events) or _has_spaced_key(body):
        return None
    products = {event.product for event in events}
    return events if all(map(PRODUCT.fullmatch, products)) else None


def _has_spaced_key(body: bytes) -> bool:
    used = [space for space in _SPACES if space in body]
    is_possible = any(b'"' + space in body for space in used)
    return is_possible and _SPACED_KEY.search(body) is not None


def _keys_of(events: Sequence[IncomingEvent]) -> int:
    """The sum of `_keys`, a column at a time, which is faster."""
    return (
        _REQUIRED_KEYS * len(events)
        + sum([len(event.quantities) for event in events])
        + sum([event.organization_id is not None for event in events])
        + sum([event.organization is not None for event in events])
        + sum([event.project_id is not None for event in events])
        + sum([event.project is not None for event in events])
    )


def _keys(event: IncomingEvent) -> int:
    """How many keys the object has when it is written plainly."""
    optional = (
        event.organization_id,
        event.organization,
        event.project_id,
        event.project,
    )
    given = sum(value is not None for value in optional)
    return _REQUIRED_KEYS + given + len(event.quantities)


def _check_keys(raw: bytes) -> None:
    """Refuse a key given twice: parsers differ in which one they take.

    Slow, so only for objects whose count of keys is not the plain one.
    """

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise Refused("duplicate_key", "A JSON key is given more than once.")
        return dict(pairs)

    json.loads(raw, object_pairs_hook=once)


def _refused(message: str, raw: bytes | msgspec.Raw) -> Refused:
    """Return the refusal for msgspec's message: the field and what it accepts."""
    match = _PATH.search(message)
    field = match.group(1) if match else ""
    if "missing required field" in message:
        name = message.rpartition("field ")[2].strip("`")
        return Refused("missing_field", f"`{name}` is required.")
    if "unknown field" in message:
        name = message.rpartition("field ")[2].strip("`")
        accepted = ", ".join(_ACCEPTED)
        message = f"Unknown field {name[:100]!r}. Accepted: {accepted}."
        return Refused("unknown_field", message)
    if "timezone" in message:
        return Refused("timezone_required", _must_be("timestamp"))
    if field == "quantities":
        return Refused("invalid_quantities", _quantities_problem(bytes(raw)))
    if field in _ACCEPTED:
        return Refused(f"invalid_{field}", _must_be(field))
    return Refused("invalid_event", "The event must be a JSON object.")


def _quantities_problem(raw: bytes) -> str:
    """Name the first meter at fault with its value, which msgspec does not."""
    try:
        quantities = json.loads(raw)["quantities"]
        problems = [
            (meter, value)
            for meter, value in quantities.items()
            if type(value) is not int or not 0 <= value < 2**63
        ]
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
        return _must_be("quantities")
    if not problems:
        return _must_be("quantities")
    meter, value = problems[0]
    return (
        f"`quantities.{meter[:100]}` is {json.dumps(value)[:50]}; it must be a whole"
        " number from 0 to 9223372036854775807, without quotes, commas, or decimals."
    )


def _must_be(field: str) -> str:
    return f"`{field}` must be {_ACCEPTED[field]}."


def read_retention(text: str) -> timedelta | None:
    """How long events are kept, from a number of days; without one, for ever.

    Raises `ValueError`, in words that follow the setting's name.
    """
    if not text.strip():
        return None
    if not re.fullmatch("[0-9]{1,5}", text.strip()):
        raise ValueError(f"must be a whole number of days, at most 99999, not {text!r}")
    retention, least = timedelta(days=int(text)), KEPT + RETENTION_MARGIN
    if retention < least:
        raise ValueError(
            f"must be at least {least.days} days, not {text.strip()}: events are"
            f" accepted for {KEPT.days} days, and duplicates are detected that long"
        )
    return retention


def are_fine(events: Sequence[IncomingEvent], now: datetime) -> bool:
    """Whether `check_event` would pass them all, asked of the batch at once."""
    instants = [event.timestamp for event in events]
    if not now - KEPT <= min(instants) <= max(instants) <= now + AHEAD:
        return False
    if not RECORDABLE.issuperset(chain.from_iterable(e.quantities for e in events)):
        return False
    texts = chain.from_iterable((e.id, e.organization, e.project) for e in events)
    return "\x00" not in "".join(filter(None, texts))


def check_event(event: IncomingEvent, now: datetime) -> None:
    """What types cannot say; raises `Refused`."""
    if not now - KEPT <= event.timestamp <= now + AHEAD:
        raise Refused(
            "timestamp_out_of_window",
            "`timestamp` must be within the last 400 days and at most 1 day ahead.",
        )
    if not RECORDABLE.issuperset(event.quantities):
        unknown = ", ".join(sorted(set(event.quantities) - RECORDABLE))
        accepted = ", ".join(sorted(RECORDABLE))
        message = f"Unknown meter {unknown[:200]!r}. Accepted: {accepted}."
        raise Refused("unknown_meter", message)
    texts = (event.id, event.organization or "", event.project or "")
    if any("\x00" in text for text in texts):
        raise Refused("invalid_character", "Text must not contain NUL characters.")
