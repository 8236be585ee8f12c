"""Parsing the lines of `load_organizations`, and explaining what is wrong with one."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from orgs.commands.organizations import (
    IncomingEntitlements,
    IncomingMember,
    IncomingOrganization,
    IncomingProject,
)
from orgs.days import floor_fraction
from orgs.errors import DomainError, InputRejected
from orgs.schemas.bodies import parse_json
from orgs.text import to_nfc_deep

_SECONDS = "a whole number from 0 to 9223372036854775807, or null"
_COUNT = "a whole number from 0 to 2147483647, or null"
_INSTANT = (
    "an RFC 3339 date-time with an offset, such as 2026-01-31T08:00:00Z, between the"
    " years 2000 and 2200"
)
_ID = "1 to 200 characters, without control or text direction characters"
_EMAIL = "an email address of at most 254 characters, or empty"
_ACCEPTED = {
    "external_id": _ID,
    "name": _ID,
    "billing_email": _EMAIL,
    "email": _EMAIL,
    "contract_started_on": "a date such as 2026-01-31, between the years 2000 and 2200",
    "created_at": _INSTANT,
    "added_at": _INSTANT,
    "is_staff": "true or false",
    "entitlements": "an object, or null",
    "members": "a list of objects",
    "projects": "a list of objects",
    "entitlements.storage_bytes": _SECONDS,
    "entitlements.compute_seconds_per_year": _SECONDS,
    "entitlements.gpu_seconds_per_year": _SECONDS,
    "entitlements.projects": _COUNT,
    "entitlements.users": _COUNT,
}
_INSTANTS = frozenset({"created_at", "added_at"})
_NESTED: Mapping[str, type[Struct]] = {
    "entitlements": IncomingEntitlements,
    "members": IncomingMember,
    "projects": IncomingProject,
}


def parse_organization(line: bytes) -> IncomingOrganization:
    """Return the organization of a line; raise `InputRejected` that names the field."""
    try:
        value = to_nfc_deep(parse_json(line))
    except DomainError as error:
        message = error.message.replace("The body", "The line")
        raise InputRejected("invalid_line", message) from None
    _floor_instants(value)
    try:
        return msgspec.convert(value, IncomingOrganization)
    except msgspec.ValidationError as error:
        problem = _explain(value, IncomingOrganization, "") or f"{error}."
        raise InputRejected("invalid_line", problem) from None


def _floor_instants(value: Any) -> None:
    """Cut what instants have beyond microseconds, to which msgspec would round."""
    if isinstance(value, list):
        for item in value:
            _floor_instants(item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in _INSTANTS and isinstance(inner, str):
                value[key] = floor_fraction(inner)
            else:
                _floor_instants(inner)


def _explain(value: Any, kind: type[Struct], path: str) -> str:
    """Return which field of an object is wrong, with its value and what is accepted."""
    if not isinstance(value, dict):
        return f"`{path.rstrip('.') or 'line'}` is {_shown(value)}; write an object."
    fields = {field.name: field for field in structs.fields(kind)}
    if unknown := sorted(value.keys() - fields.keys()):
        accepted = ", ".join(fields)
        return f"Unknown field `{path}{unknown[0][:100]}`. Accepted: {accepted}."
    for name, field in fields.items():
        if name not in value:
            if field.required:
                return f"`{path}{name}` is required: {_ACCEPTED[name]}."
        elif problem := _explain_field(value[name], f"{path}{name}", kind):
            return problem
    return ""


def _explain_field(value: Any, path: str, kind: type[Struct]) -> str:
    name = path.rpartition(".")[2]
    if kind is IncomingOrganization and name in _NESTED and isinstance(value, list):
        problems = (
            _explain(item, _NESTED[name], f"{path}[{index}].")
            for index, item in enumerate(value)
        )
        return next(filter(None, problems), "")
    if kind is IncomingOrganization and name in _NESTED and isinstance(value, dict):
        return _explain(value, _NESTED[name], f"{path}.")
    if _is_accepted(value, name, kind):
        return ""
    accepted = _ACCEPTED.get(path) or _ACCEPTED[name]
    return f"`{path}` is {_shown(value)}; it must be {accepted}."


def _is_accepted(value: Any, name: str, kind: type[Struct]) -> bool:
    """Return whether a field can have a value, by converting an object that has it."""
    required = {field.name: "x" for field in structs.fields(kind) if field.required}
    try:
        msgspec.convert({**required, name: value}, kind)
    except msgspec.ValidationError:
        return False
    return True


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:100]
