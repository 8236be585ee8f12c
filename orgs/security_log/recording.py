"""Recording an event: a line of JSON in the log, and a row in PostgreSQL.

The line is written at once. A success is a row of the transaction that made it, so
there is no row for what was rolled back. A failure inside a transaction, which will
probably be rolled back, becomes a row when the request has ended.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone

from orgs.link_tokens import mask_links
from orgs.models import ApiKey, Organization, SecurityEvent, User, WhiteLabel
from orgs.security_log.kinds import DESCRIPTIONS, Kind, Outcome
from orgs.security_log.origin import Actor, current_origin
from orgs.security_log.repeats import ROWS_OF_ONE, repeats

logger = logging.getLogger("orgdesk.security")
errors = logging.getLogger(__name__)
_LONGEST = 200  # characters of a name or detail
_LONGEST_AGENT = 300

Subject = User | ApiKey | Organization | WhiteLabel | str | None


def record(
    kind: Kind,
    *,
    subject: Subject = None,
    actor: Actor | None = None,
    outcome: Outcome | None = None,
    white_label_id: int | None = None,
    account: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Record a security event.

    Actor, address, and request are those of the current origin, unless an actor is
    given. `subject` is what the event is about; `account` is the name under which a
    repeated event is counted, if not that of the subject. `details` must not hold a
    secret; the tokens of links in it are masked. Texts are cut and cleaned.

    A row that cannot be written is an error in the log and ends a transaction it
    belongs to; outside of one the act goes on, with its line in the log.
    """
    actor = actor or current_origin().actor
    event = _event(kind, outcome, actor, details or {})
    _set_subject(event, subject)
    event.white_label_id = _first(
        white_label_id, event.white_label_id, actor.white_label_id
    )
    number = _number(event, account)
    if number is not None and number > ROWS_OF_ONE:
        event.details["attempts"] = number
    _log(event)
    if number is None:
        return
    origin, is_success = current_origin(), event.outcome == Outcome.SUCCESS
    if origin.is_request and connection.in_atomic_block and not is_success:
        origin.deferred.append(event)
    else:
        _write(event)


def write_deferred() -> None:
    """Write the rows that waited for the end of the request."""
    deferred = current_origin().deferred
    for event in deferred:
        _write(event)
    deferred.clear()


def _event(
    kind: Kind, outcome: Outcome | None, actor: Actor, details: Mapping[str, Any]
) -> SecurityEvent:
    """Return the row of an event of the present request, without its subject."""
    origin = current_origin()
    return SecurityEvent(
        at=timezone.now(),
        kind=kind.value,
        outcome=(outcome or DESCRIPTIONS[kind].outcome).value,
        actor_kind=actor.kind.value,
        actor_id=actor.id,
        actor_name=clean(actor.name),
        address=origin.address or None,
        request_id=origin.request_id,
        client_request_id=origin.client_request_id,
        user_agent=clean(origin.user_agent, _LONGEST_AGENT),
        details=_clean_value(dict(details)),
    )


def _first(*ids: int | None) -> int | None:
    return next((id_ for id_ in ids if id_ is not None), None)


def _set_subject(event: SecurityEvent, subject: Subject) -> None:
    if subject is None or isinstance(subject, str):
        event.subject_name = clean(subject or "")
        return
    event.subject_kind = {User: "person", ApiKey: "api_key"}.get(
        type(subject), str(subject._meta.verbose_name).replace(" ", "_")
    )
    event.subject_id = subject.pk
    event.subject_name = clean(
        subject.get_username() if isinstance(subject, User) else str(subject)
    )
    if isinstance(subject, Organization):
        event.organization_id = subject.pk
    elif isinstance(subject, ApiKey):
        event.organization_id = subject.organization_id
    event.white_label_id = (
        subject.pk if isinstance(subject, WhiteLabel) else subject.white_label_id
    )


def _number(event: SecurityEvent, account: str) -> int | None:
    """Return the number of a repeated event in its window; None: it gets no row.

    A caller that is known is counted alone, not with others of the same address.
    """
    if not DESCRIPTIONS[Kind(event.kind)].repeats:
        return 1
    actor = f"{event.actor_kind} {event.actor_id}"
    caller = current_origin().block if event.actor_id is None else actor
    account = account or event.subject_name or actor
    return repeats.count(event.kind, caller=caller, account=account)


def _log(event: SecurityEvent) -> None:
    """Write the line: JSON in ASCII, so that no text can begin another line."""
    facts = {
        "logger": logger.name,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "outcome": event.outcome,
        "actor": _named(event.actor_kind, event.actor_id, event.actor_name),
        "subject": _named(event.subject_kind, event.subject_id, event.subject_name),
        "white_label_id": event.white_label_id,
        "organization_id": event.organization_id,
        "address": event.address,
        "request_id": event.request_id,
        "client_request_id": event.client_request_id,
        "user_agent": event.user_agent,
        "details": event.details,
    }
    given = {
        name: value for name, value in facts.items() if value not in ("", {}, None)
    }
    is_success = event.outcome == Outcome.SUCCESS
    logger.log(logging.INFO if is_success else logging.WARNING, json.dumps(given))


def _named(kind: str, id_: int | None, name: str) -> dict[str, Any]:
    facts = {"kind": kind, "id": id_, "name": name}
    return {key: value for key, value in facts.items() if value not in ("", None)}


def _write(event: SecurityEvent) -> None:
    try:
        event.save(force_insert=True)
    except DatabaseError as error:
        errors.error(
            "security_event_not_written kind=%s request_id=%s error=%s",
            event.kind,
            event.request_id,
            type(error).__name__,
        )
        if connection.in_atomic_block:
            raise


def clean(text: str, longest: int = _LONGEST) -> str:
    """Return a text that PostgreSQL can hold: cut, without NUL and lone surrogates."""
    valid = text.encode("utf-8", "replace").decode()
    return valid.replace("\x00", "\ufffd")[:longest]


def _clean_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {clean(str(name)): _clean_value(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean_value(one) for one in value][:100]
    if value is None or isinstance(value, bool | int | float):
        return value
    return clean(mask_links(str(value)))
