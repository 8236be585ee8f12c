"""Parsing and checking reported usage events. No database access.

An event is `{id, organization_id | organization, timestamp, product, project_id? |
project?, quantities: {meter: integer}}`. Types are strict, and every rejection has a
code and a message that names the field.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, structs

from metrics.catalog import RECORDABLE
from orgs.errors import InputRejected
from orgs.text import to_nfc

MAX_AGE = timedelta(days=400)  # older events are rejected: their month may be dropped
MAX_AHEAD = timedelta(days=1)  # clocks differ; more than this is a mistake
# Added to instants that bound a search for events: they may be `MAX_AHEAD`, and the
# clocks of machines differ.
CLOCK_MARGIN = timedelta(days=2)
# How much longer than `MAX_AGE` events are stored at least. Duplicates are detected by
# stored events: a server whose clock is weeks fast must not drop a month into which
# others still record, because they would then accept its events twice.
RETENTION_MARGIN = timedelta(days=30)

# Begins the IDs of the events that Orgdesk makes itself, such as of stored bytes.
RESERVED_PREFIX = "orgdesk:"

# Whatever providers call their models and machines: `claude-opus-4-1@20250805`,
# `Standard_NC24ads_A100_v4 (Spot)`. No character of it needs escaping in COPY or in a
# PostgreSQL array; pages, CSV, and URLs escape it.
MAX_PRODUCT_LENGTH = 200
_PRODUCT_CHARACTER = r"[A-Za-z0-9._:/@+#~=,()-]"
PRODUCT = re.compile(
    rf"{_PRODUCT_CHARACTER}(?:[A-Za-z0-9._:/@+#~=,() -]{{0,{MAX_PRODUCT_LENGTH - 2}}}"
    rf"{_PRODUCT_CHARACTER})?"
)
PRODUCT_RULE = (
    f"1 to {MAX_PRODUCT_LENGTH} characters: A-Z, a-z, 0-9, . _ : / - @ + # ~ = , ( )"
    " and spaces inside"
)

MAX_ID_LENGTH = 200
Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
RowId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Quantity = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class IncomingEvent(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A usage event as a client reports it; quantities are in the meters' units."""

    id: Id
    timestamp: Annotated[datetime, Meta(tz=True)]
    product: str  # matches `PRODUCT`, which parsing checks once per distinct product
    quantities: Annotated[dict[str, Quantity], Meta(min_length=1)]
    organization_id: RowId | None = None
    organization: Id | None = None
    project_id: RowId | None = None
    project: Id | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """The reason why the event at `index` of a batch was not recorded."""

    index: int
    code: str
    message: str


# Ends of keys. It also matches an escaped quote before a colon in a string, which only
# costs the slower check.
_KEY_END = re.compile(rb'"\s*:')
_REQUIRED_KEYS = 4  # id, timestamp, product, quantities
_decoder = msgspec.json.Decoder(IncomingEvent)
# Of a second, beyond the microseconds to which msgspec rounds.
_LONG_FRACTION = re.compile(rb"\.[0-9]{7}")
_FRACTION_START = len("2026-11-21T08:00:00.")
_MICROSECOND = timedelta(microseconds=1)
_PATH = re.compile(r"`\$\.?([a-z_]*)")
_ACCEPTED = {
    "id": "a string of 1 to 200 characters",
    "timestamp": "an RFC 3339 date-time with an offset, such as 2026-11-21T08:00:00Z",
    "product": PRODUCT_RULE,
    "quantities": "an object with at least one meter, whose quantities are whole"
    " numbers from 0 to 9223372036854775807",
    "organization_id": "a whole number from 1 to 9223372036854775807",
    "organization": "a string of 1 to 200 characters",
    "project_id": "a whole number from 1 to 9223372036854775807",
    "project": "a string of 1 to 200 characters",
}


def parse_event(raw: bytes | msgspec.Raw) -> IncomingEvent:
    """Return the event of a JSON object; raise `InputRejected` if it is invalid."""
    try:
        event = _decoder.decode(raw)
        if _LONG_FRACTION.search(raw):
            [event] = _with_floored_instants([event], [_instant_decoder.decode(raw)])
        if not "".join(_texts(event)).isascii():
            event = _normalized(event)
        if not PRODUCT.fullmatch(event.product):
            raise InputRejected("invalid_product", _problem("product", event.product))
        if len(_KEY_END.findall(raw)) != _count_keys(event):
            _check_keys(bytes(raw))
        return event
    except msgspec.ValidationError as error:
        raise _rejection(str(error), raw) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InputRejected("invalid_json", "The event is not a JSON object.") from None


def _are_ascii(events: Sequence[IncomingEvent]) -> bool:
    """Return whether no ID can be in another normal form; field by field is faster."""
    return (
        "".join([event.id for event in events]).isascii()
        and "".join([event.organization or "" for event in events]).isascii()
        and "".join([event.project or "" for event in events]).isascii()
    )


def _texts(event: IncomingEvent) -> Iterator[str]:
    return filter(None, (event.id, event.organization, event.project))


def _normalized(event: IncomingEvent) -> IncomingEvent:
    """Return the event with its IDs in Unicode's normal form C, which may be longer.

    Raises `InputRejected` for one that is too long then.
    """
    changes = {
        name: to_nfc(text)
        for name in ("id", "organization", "project")
        if (text := getattr(event, name)) and not text.isascii()
    }
    for name, text in changes.items():
        if len(text) > MAX_ID_LENGTH:
            raise InputRejected(f"invalid_{name}", _problem(name, text))
    return structs.replace(event, **changes)


class _Instant(Struct, gc=False):
    """The timestamp of an event as it was written."""

    timestamp: str


_list_decoder = msgspec.json.Decoder(list[IncomingEvent])
_instant_decoder = msgspec.json.Decoder(_Instant)
_instant_list_decoder = msgspec.json.Decoder(list[_Instant])
_SPACED_KEY = re.compile(rb'"\s+:')
# Searching for bytes is faster than the expression, which most bodies then never need.
_SPACES = (b" ", b"\n", b"\r", b"\t")


def parse_all(body: bytes) -> list[IncomingEvent] | None:
    """Return the events of a JSON array, or None if they must be parsed one by one.

    That is the case when an event is invalid, or when a key might be repeated: the
    number of colons after quotes differs from the number of keys, or a space between
    the two prevents counting.
    """
    try:
        events = _list_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if body.count(b'":') != _count_all_keys(events) or _has_spaced_key(body):
        return None
    if _LONG_FRACTION.search(body):
        events = _with_floored_instants(events, _instant_list_decoder.decode(body))
    if not _are_ascii(events):
        try:
            events = [_normalized(event) for event in events]
        except InputRejected:
            return None
    products = {event.product for event in events}
    return events if all(map(PRODUCT.fullmatch, products)) else None


def _with_floored_instants(
    events: Sequence[IncomingEvent], instants: Sequence[_Instant]
) -> list[IncomingEvent]:
    """Return the events at the microseconds in which they occurred.

    msgspec rounds: the last 100 nanoseconds of a month would be the next month, with
    its prices and in its billing period.
    """
    return [
        _with_floored_instant(event, instant.timestamp)
        for event, instant in zip(events, instants, strict=True)
    ]


def _with_floored_instant(event: IncomingEvent, text: str) -> IncomingEvent:
    microseconds = text[_FRACTION_START : _FRACTION_START + 6]
    if not microseconds.isdigit() or int(microseconds) == event.timestamp.microsecond:
        return event
    return structs.replace(event, timestamp=event.timestamp - _MICROSECOND)


def _has_spaced_key(body: bytes) -> bool:
    used = [space for space in _SPACES if space in body]
    is_possible = any(b'"' + space in body for space in used)
    return is_possible and _SPACED_KEY.search(body) is not None


def _count_all_keys(events: Sequence[IncomingEvent]) -> int:
    """Return the sum of `_count_keys`; field by field, which is faster."""
    return (
        _REQUIRED_KEYS * len(events)
        + sum([len(event.quantities) for event in events])
        + sum([event.organization_id is not None for event in events])
        + sum([event.organization is not None for event in events])
        + sum([event.project_id is not None for event in events])
        + sum([event.project is not None for event in events])
    )


def _count_keys(event: IncomingEvent) -> int:
    """Return how many keys the event's JSON object has if none is repeated or null."""
    optional = (
        event.organization_id,
        event.organization,
        event.project_id,
        event.project,
    )
    present = sum(value is not None for value in optional)
    return _REQUIRED_KEYS + present + len(event.quantities)


def _check_keys(raw: bytes) -> None:
    """Raise `InputRejected` for a repeated key: parsers differ in which one they use.

    Slow, so it is called only for objects whose number of keys is unexpected.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise InputRejected("duplicate_key", "A JSON key is given more than once.")
        return dict(pairs)

    json.loads(raw, object_pairs_hook=unique)


def _rejection(message: str, raw: bytes | msgspec.Raw) -> InputRejected:
    """Return the error for msgspec's message: the field and what it accepts."""
    match = _PATH.search(message)
    field = match.group(1) if match else ""
    if "missing required field" in message:
        name = message.rpartition("field ")[2].strip("`")
        return InputRejected(
            "missing_field", f"`{name}` is required: {_ACCEPTED[name]}."
        )
    if "unknown field" in message:
        name = message.rpartition("field ")[2].strip("`")
        accepted = ", ".join(_ACCEPTED)
        message = f"Unknown field {name[:100]!r}. Accepted: {accepted}."
        return InputRejected("unknown_field", message)
    if field not in _ACCEPTED:
        return InputRejected("invalid_event", "The event must be a JSON object.")
    code = "timezone_required" if "timezone" in message else f"invalid_{field}"
    return InputRejected(code, _find_problem(field, bytes(raw)))


def _find_problem(field: str, raw: bytes) -> str:
    """Describe an invalid field with its value, which msgspec does not name."""
    try:
        value = json.loads(raw)[field]
    except (ValueError, RecursionError, TypeError, KeyError):
        return f"`{field}` must be {_ACCEPTED[field]}."
    if field == "quantities" and isinstance(value, dict):
        for meter, quantity in value.items():
            if type(quantity) is not int or not 0 <= quantity < 2**63:
                return (
                    f"`quantities.{meter[:100]}` is {_shown(quantity)}; it must be a"
                    " whole number from 0 to 9223372036854775807, without quotes,"
                    " commas, or decimals."
                )
    return _problem(field, value)


def _problem(field: str, value: object) -> str:
    return f"`{field}` is {_shown(value)}; it must be {_ACCEPTED[field]}."


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:100]


def read_retention(text: str) -> timedelta | None:
    """Return how long events are stored, from a number of days; None means forever.

    Raises `ValueError` with a message that continues the setting's name.
    """
    if not text.strip():
        return None
    if not re.fullmatch("[0-9]{1,5}", text.strip()):
        raise ValueError(f"must be a whole number of days, at most 99999, not {text!r}")
    retention, least = timedelta(days=int(text)), MAX_AGE + RETENTION_MARGIN
    if retention < least:
        raise ValueError(
            f"must be at least {least.days} days, not {text.strip()}: events are"
            f" accepted for {MAX_AGE.days} days, and duplicates are detected that long"
        )
    return retention


def are_valid(events: Sequence[IncomingEvent], now: datetime) -> bool:
    """Return whether `check_event` accepts all events; faster than one by one."""
    instants = [event.timestamp for event in events]
    if not now - MAX_AGE <= min(instants) <= max(instants) <= now + MAX_AHEAD:
        return False
    if not RECORDABLE.issuperset(chain.from_iterable(e.quantities for e in events)):
        return False
    texts = chain.from_iterable((e.id, e.organization, e.project) for e in events)
    joined = "".join(filter(None, texts))
    return "\x00" not in joined and RESERVED_PREFIX not in joined


def check_event(event: IncomingEvent, now: datetime) -> None:
    """Raise `InputRejected` for a bad timestamp, unknown meter, NUL, or reserved ID."""
    if not now - MAX_AGE <= event.timestamp <= now + MAX_AHEAD:
        raise InputRejected(
            "timestamp_out_of_window",
            f"`timestamp` is {event.timestamp.isoformat()}; it must be within the last"
            " 400 days and at most 1 day ahead.",
        )
    if not RECORDABLE.issuperset(event.quantities):
        unknown = ", ".join(sorted(set(event.quantities) - RECORDABLE))
        accepted = ", ".join(sorted(RECORDABLE))
        message = f"Unknown meter {unknown[:200]!r}. Accepted: {accepted}."
        raise InputRejected("unknown_meter", message)
    texts = (event.id, event.organization or "", event.project or "")
    if any("\x00" in text for text in texts):
        raise InputRejected(
            "invalid_character", "Text must not contain NUL characters."
        )
    if event.id.startswith(RESERVED_PREFIX):
        raise InputRejected(
            "reserved_id", f"`id` must not start with {RESERVED_PREFIX!r}."
        )
