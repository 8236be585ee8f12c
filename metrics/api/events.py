"""API endpoint that records usage: up to 10,000 events a call, each checked alone."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import Field

from metrics.catalog import RECORDABLE
from metrics.commands.record import record_usage
from metrics.events import (
    PRODUCT,
    IncomingEvent,
    Rejection,
    parse_all,
    parse_event,
)
from orgs import access
from orgs.catalog import Scope
from orgs.errors import DomainError, Forbidden, InputRejected, TooLarge
from orgs.models import WhiteLabel
from orgs.queries.key_lookup import get_white_label_by_id
from orgs.schemas.bodies import JSON, NDJSON, read_bytes
from orgs.schemas.errors import ErrorsOut

router = Router(tags=["usage"])
MAX_EVENTS = 10_000
MAX_BYTES = 16 << 20  # after decompression
_ERRORS: dict[int, Any] = dict.fromkeys((400, 401, 403, 413, 415, 429, 500), ErrorsOut)


class RejectionOut(Schema):
    """Why an event was not recorded."""

    index: int = Field(ge=0, description="The event's position in the batch, from 0.")
    code: str = Field(description="A stable code that programs can check.")
    message: str = Field(description="What is wrong and what is accepted.")


class RecordedOut(Schema):
    """The result of the batch. The three counts add up to the events sent."""

    accepted: int = Field(ge=0, description="The number of events recorded now.")
    duplicates: int = Field(
        ge=0, description="The number of events that had already been recorded."
    )
    rejected: list[RejectionOut] = Field(
        description="The events that were not recorded, ordered by index."
    )


_EVENT = {
    "x-name": "UsageEventIn",
    "description": "What an organization used at an instant.",
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "timestamp", "product", "quantities"],
    "properties": {
        "id": {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "description": "Your ID of the event. Sent again, it is not counted twice.",
        },
        "organization_id": {
            "type": ["integer", "null"],
            "minimum": 1,
            "description": "The organization's ID in Orgdesk.",
        },
        "organization": {
            "type": ["string", "null"],
            "description": "The organization's external ID. Send this or"
            " `organization_id`; a key of one organization needs neither.",
        },
        "timestamp": {
            "type": "string",
            "format": "date-time",
            "description": "When the usage occurred, with an offset: within the last"
            " 400 days and at most 1 day ahead.",
        },
        "product": {
            "type": "string",
            "pattern": f"^{PRODUCT.pattern}$",
            "description": "The product that was used, such as a model name.",
        },
        "project_id": {
            "type": ["integer", "null"],
            "minimum": 1,
            "description": "The project's ID in Orgdesk.",
        },
        "project": {
            "type": ["string", "null"],
            "description": "The project's external ID. An unknown project is created.",
        },
        "quantities": {
            "type": "object",
            "minProperties": 1,
            "description": "Whole units by meter: tokens, requests, seconds, bytes.",
            "propertyNames": {"enum": sorted(RECORDABLE)},
            "additionalProperties": {
                "type": "integer",
                "minimum": 0,
                "maximum": 2**63 - 1,
            },
        },
    },
}
_BATCH = {
    "x-name": "UsageEventsIn",
    "type": "array",
    "minItems": 1,
    "description": "At most 10,000 events; a larger batch is refused with status 413."
    " An event that is not valid is listed in `rejected`, and the others are recorded.",
    "items": _EVENT,
}
# NDJSON is described and not listed: generators of clients refuse a type that they do
# not know, or write code that cannot choose between two.
_BODY = {
    "requestBody": {
        "required": True,
        "description": "Events as a JSON array. At most 16 MiB uncompressed; gzip is"
        " accepted (`Content-Encoding: gzip`).\n\nWith `Content-Type:"
        f" {NDJSON}` the body is NDJSON instead: one event per line, each a JSON"
        " object as in `UsageEventIn`, with the same limits and the same answer.",
        "content": {JSON: {"schema": _BATCH}},
    }
}


@router.post(
    "/usage/events",
    response={200: RecordedOut, **_ERRORS},
    summary="Report usage",
    auth=access.needs(Scope.USAGE_WRITE),
    openapi_extra=_BODY,
    operation_id="record_usage",
)
def report_usage(request: HttpRequest) -> Any:
    """Record a batch of usage events.

    Each event is checked separately: invalid events are listed in `rejected`, the
    others are recorded. Sending the same events again is safe; they count as
    duplicates. An event with a recorded `id` and `timestamp` but different contents is
    rejected as `event_conflict`.
    """
    caller = access.caller(request, Scope.USAGE_WRITE)
    if caller.white_label_id is None:
        raise Forbidden("Use an API key of a single white label.")
    raw = read_bytes(
        request, types={JSON, NDJSON}, max_bytes=MAX_BYTES, accepts_gzip=True
    )
    events, rejections = _parse_body(raw, is_lines=request.content_type == NDJSON)
    white_label = get_white_label_by_id(caller.white_label_id)
    body = _recorded_body(white_label, events, caller.organization_id, rejections)
    return HttpResponse(body, content_type=JSON)


# Events with their position in the batch, and the rejections of the others.
ParsedBatch = tuple[list[tuple[int, IncomingEvent]], list[Rejection]]


def _recorded_body(
    white_label: WhiteLabel,
    events: Sequence[tuple[int, IncomingEvent]],
    organization_id: int | None,
    rejections: Sequence[Rejection] = (),
) -> bytes:
    """Record the events and return `RecordedOut` as JSON.

    `rejections` are those of events that could not be parsed.
    """
    result = record_usage(white_label, events, organization_id=organization_id)
    rejected = sorted(
        [*rejections, *result.rejected], key=lambda rejection: rejection.index
    )
    return orjson.dumps(
        {
            "accepted": result.accepted,
            "duplicates": result.duplicates,
            "rejected": [
                {
                    "index": rejection.index,
                    "code": rejection.code,
                    "message": rejection.message,
                }
                for rejection in rejected
            ],
        }
    )


def _parse_at_once(body: bytes) -> list[tuple[int, IncomingEvent]] | None:
    """Return the events of a JSON array, or null unless all of them are valid.

    Null, too, for an empty batch and one that is too large.
    """
    events = parse_all(body)
    if not events or len(events) > MAX_EVENTS:
        return None
    return list(enumerate(events))


def _parse_body(body: bytes, *, is_lines: bool) -> ParsedBatch:
    """Parse a batch: the whole array at once, or each event if one is invalid.

    Parsing events one by one takes longer, but rejects only the invalid ones.
    """
    if is_lines:
        return _parse_each(_split_lines(body))
    if events := _parse_at_once(body):
        return events, []
    return _parse_each(_split_array(body))


_array_decoder = msgspec.json.Decoder(list[msgspec.Raw])


def _split_array(body: bytes) -> list[msgspec.Raw]:
    try:
        return _check_count(_array_decoder.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise DomainError(
            "The body must be a JSON array of events.", code="invalid_body"
        ) from None


def _split_lines(body: bytes) -> list[bytes]:
    return _check_count([line for line in body.split(b"\n") if line.strip()])


Raw = TypeVar("Raw")


def _check_count(raws: list[Raw]) -> list[Raw]:
    """Return the raw events; raise if there are none or too many."""
    if not raws:
        raise DomainError("The body contains no events.", code="invalid_body")
    if len(raws) > MAX_EVENTS:
        raise TooLarge(f"Send at most {MAX_EVENTS:,} events per request.")
    return raws


def _parse_each(raws: Sequence[bytes | msgspec.Raw]) -> ParsedBatch:
    events, rejections = [], []
    for index, raw in enumerate(raws):
        try:
            events.append((index, parse_event(raw)))
        except InputRejected as error:
            rejections.append(Rejection(index, error.code, error.message))
    return events, rejections
