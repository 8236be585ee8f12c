"""The headers of answers: declared once, and named by the answers that have them."""

from typing import Any

from config.openapi.nodes import Node

HEADERS: dict[str, Node] = {
    "X-Request-ID": {
        "description": "The ID of the request in Orgdesk's logs and history.",
        "schema": {"type": "string"},
        "example": "0b6a3d1c8f6e4f9d",
    },
    "Retry-After": {
        "description": "The seconds to wait before the next attempt.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 12,
    },
    "WWW-Authenticate": {
        "description": "The kind of credential that is expected.",
        "schema": {"type": "string"},
        "example": 'Bearer realm="Orgdesk"',
    },
    "ETag": {
        "description": "The tag of this answer. Send it as `If-None-Match` to get a 304"
        " while it is current.",
        "schema": {"type": "string"},
        "example": '"3f2a9c41d0b7e865"',
    },
    "Idempotency-Replayed": {
        "description": "`true` if the answer is that of an earlier request with the"
        " same idempotency key.",
        "schema": {"type": "string", "enum": ["true"]},
        "example": "true",
    },
    "Location": {
        "description": "The address of the export.",
        "schema": {"type": "string"},
        "example": "/api/v1/exports/12",
    },
    "Content-Disposition": {
        "description": "The name of the file.",
        "schema": {"type": "string"},
        "example": 'attachment; filename="costs-71.csv"',
    },
}
_BY_STATUS = {
    "202": ("Location", "Retry-After"),
    "304": ("ETag",),
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}
_IF_NONE_MATCH: Node = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of the copy that you have.",
    "schema": {"type": "string"},
    "example": '"3f2a9c41d0b7e865"',
}


def add_headers(operation: Node) -> None:
    """Name the headers of each answer of an operation."""
    has_tag = "304" in operation["responses"]
    has_key = any(p["name"] == "Idempotency-Key" for p in operation["parameters"])
    for status, answer in operation["responses"].items():
        names = ["X-Request-ID", *_BY_STATUS.get(status, ())]
        if has_key and status.startswith("2"):
            names.append("Idempotency-Replayed")
        if status == "200":
            names += ["ETag"] * has_tag + _file_headers(answer)
        headers = {name: _reference(name) for name in names}
        answer["headers"] = {**headers, **answer.get("headers", {})}
    if has_tag:
        operation["parameters"].append(dict(_IF_NONE_MATCH))


def _file_headers(answer: Node) -> list[str]:
    is_file = any(media != "application/json" for media in answer.get("content", ()))
    return ["Content-Disposition"] if is_file else []


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/headers/{name}"}


def code_header(codes: list[str]) -> Node:
    """Return the header with the code of an error, and the codes that it may have."""
    return {
        "description": "The code of the error, as in the body.",
        "schema": {"type": "string", "enum": codes},
        "example": codes[0],
    }
