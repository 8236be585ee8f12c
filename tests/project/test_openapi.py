"""The OpenAPI document obeys its rules, and its rules refuse what they are for."""

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from billing.webhooks.event_types import EVENT_TYPES
from config.openapi.document import document
from config.openapi.error_codes import CODES, REJECTIONS
from tests import ROOT
from tests.project.openapi import error_tables, list_problems

_ANSWER = {"application/json": {"schema": {"$ref": "#/components/schemas/RowOut"}}}


def small() -> dict[str, Any]:
    """Return a document with one operation and one schema, without problems."""
    row = {
        "type": "object",
        "description": "A row.",
        "properties": {
            "size": {
                "type": "integer",
                "minimum": 1,
                "description": "Its size in bytes.",
                "examples": [7],
            }
        },
        "examples": [{"size": 7}],
    }
    answer: dict[str, Any] = {
        "description": "Success. Code: `not_found`.",
        "content": {"application/json": {**_ANSWER["application/json"]}},
        "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
    }
    answer["content"]["application/json"]["example"] = {"size": 7}
    limit = {
        "name": "limit",
        "in": "query",
        "description": "The number of rows.",
        "schema": {"type": "integer", "default": 5},
        "example": 5,
    }
    operation = {
        "operationId": "list_rows",
        "summary": "List rows",
        "description": "Return the rows.",
        "tags": ["rows"],
        "security": [],
        "parameters": [limit],
        "responses": {"200": answer, "404": copy.deepcopy(answer)},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rows",
            "version": "1",
            "summary": "Rows.",
            "description": "All rows.",
            "license": {"name": "MIT", "identifier": "MIT"},
            "contact": {"name": "Us"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": "rows", "description": "Rows."}],
        "paths": {"/rows": {"get": operation}},
        "components": {
            "schemas": {"RowOut": row},
            "headers": {
                "ETag": {"description": "The tag.", "schema": {"type": "string"}}
            },
        },
    }


def test_the_document_has_no_problems() -> None:
    assert list_problems(document()) == []


def test_every_event_type_is_a_webhook() -> None:
    assert document()["webhooks"].keys() == EVENT_TYPES.keys()


def test_the_small_document_has_no_problems() -> None:
    assert list_problems(small()) == []


Change = Callable[[dict[str, Any]], object]
_SABOTAGE: dict[str, Change] = {
    "no summary": lambda d: get(d).pop("summary"),
    "no description": lambda d: get(d).pop("description"),
    "no tags": lambda d: get(d).pop("tags"),
    "no security": lambda d: get(d).pop("security"),
    "no answer with status 4xx": lambda d: get(d)["responses"].pop("404"),
    "names no error codes": lambda d: answer(d).update(description="Not found."),
    "has no named schema": lambda d: media(d).update(schema={"type": "object"}),
    "has no example for": lambda d: media(d).pop("example"),
    "limit has no description": lambda d: get(d)["parameters"][0].pop("description"),
    "limit has no example": lambda d: get(d)["parameters"][0].pop("example"),
    "is not a plain snake_case name": lambda d: get(d).update(operationId="listRows"),
    "orgs_api_list": lambda d: get(d).update(operationId="orgs_api_list"),
    "is used 2 times": lambda d: d["paths"].update({"/r": {"get": get(d)}}),
    "field RowOut.size has no description": lambda d: size(d).pop("description"),
    "field RowOut.size has no examples": lambda d: size(d).pop("examples"),
    "has ge, which": lambda d: size(d).update(ge=1),
    "has title, which": lambda d: size(d).update(title="Size"),
    "default of /components/schemas/RowOut/properties/size": lambda d: size(d).update(
        default=0
    ),
    "or default of /components/schemas/RowOut:": lambda d: get_row(d).update(
        examples=[1]
    ),
    "/paths/~1rows/get/responses/200/content/": lambda d: media(d).update(
        example={"size": 0}
    ),
    "schemas Unused is not used": lambda d: d["components"]["schemas"].update(
        Unused={"description": "Unused.", "examples": [1]}
    ),
    "there are no servers": lambda d: d.update(servers=[]),
    "info has no license": lambda d: d["info"].pop("license"),
    "tag 'rows' has no text": lambda d: d["tags"][0].update(description=""),
}


def get(document: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = document["paths"]["/rows"]["get"]
    return operation


def answer(document: dict[str, Any]) -> dict[str, Any]:
    missing: dict[str, Any] = get(document)["responses"]["404"]
    return missing


def media(document: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = get(document)["responses"]["200"]["content"]
    media: dict[str, Any] = content["application/json"]
    return media


def get_row(document: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = document["components"]["schemas"]["RowOut"]
    return schema


def size(document: dict[str, Any]) -> dict[str, Any]:
    field: dict[str, Any] = get_row(document)["properties"]["size"]
    return field


@pytest.mark.parametrize("problem", _SABOTAGE)
def test_what_is_missing_is_a_problem(problem: str) -> None:
    changed = small()
    _SABOTAGE[problem](changed)

    assert problem in "\n".join(list_problems(changed))


def test_an_invalid_document_is_a_problem() -> None:
    changed = small()
    get(changed)["parameters"][0]["in"] = "nowhere"

    assert list_problems(changed) != []


# Codes of errors that only pages, commands, and rows of files have.
_INTERNAL_PREFIXES = ("billing.", "stripe.")
_INTERNAL = {
    "already_done", "idempotency_key_reused", "discrepancy_is_warning", "customer",
    "event_needs_no_action", "event_not_ended", "events_not_kept", "export_unfinished",
    "invalid_date_range", "invalid_line", "invalid_organization", "invalid_scopes",
    "invalid_timezone", "invalid_currency", "item_waiting", "job_not_failed",
    "no_customer", "prices_moving", "snoozed", "unexpected", "usage_differs",
    "usage_not_carried", "usage_priced", "white_label_exists", "worker_died",
    "deferred", "trial", "export_too_large", "invalid_effective_from",
    "invalid_encoding", "backfill_not_possible", "exhausted", "refused",
    "integration_not_found", "secret_unreadable", "line_too_long",
    "invalid_address_range", "invalid_expiry", "key_ended", "key_rotated",
    "last_superuser", "email_unavailable", "unique", "not_sent",
    "rerate_running", "prices_changed", "invalid_alert_percents",
}  # fmt: skip


def test_every_code_of_an_error_is_explained() -> None:
    codes = {code for code in _codes() if not code.startswith(_INTERNAL_PREFIXES)}

    assert codes - CODES.keys() - REJECTIONS.keys() - _INTERNAL == set()


def test_the_list_of_error_codes_is_complete() -> None:
    """`python -m tests.project.openapi --errors` prints it."""
    assert error_tables(document()) in (ROOT / "docs/api/errors.md").read_text()


_CODE = re.compile(r'\bcode(?:: str)? ?= ?"([a-z_.]+)"|InputRejected\(\s*"([a-z_]+)"')


def _codes() -> Iterator[str]:
    """Yield the codes that the apps give to errors, by classes and by calls."""
    for app in ("billing", "config", "metrics", "orgs"):
        for path in (ROOT / app).rglob("*.py"):
            if "fakestripe" in path.parts:  # Stripe's codes
                continue
            for match in _CODE.finditer(path.read_text()):
                yield match[1] or match[2]
