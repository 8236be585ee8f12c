"""The contents of the OpenAPI document for the API reference page."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from config.openapi.document import document
from config.openapi.nodes import operations


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as the page shows it; examples are JSON or CSV, empty if none."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: list[dict[str, Any]]
    body: str
    body_example: str
    answer_example: str
    answers: list[tuple[str, str, str]]  # status, description, schema


def operations_by_tag() -> dict[str, list[Operation]]:
    """Return the operations of the API reference by tag, in the document's order."""
    by_tag: dict[str, list[Operation]] = {}
    for path, method, operation in operations(document()):
        for tag in operation["tags"]:
            by_tag.setdefault(tag, []).append(_operation(method, path, operation))
    return by_tag


def _operation(method: str, path: str, operation: dict[str, Any]) -> Operation:
    body = operation.get("requestBody", {}).get("content", {})
    success = next(iter(operation["responses"].values()))
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        parameters=[
            _parameter(parameter) for parameter in operation.get("parameters", [])
        ],
        body=", ".join(_schema(media.get("schema", {})) for media in body.values()),
        body_example=_example(body),
        answer_example=_example(success.get("content", {})),
        answers=list(_answers(operation)),
    )


def _example(content: dict[str, Any]) -> str:
    """Return the example of the first kind of content, indented if it is JSON."""
    example: Any = ""
    for media in list(content.values())[:1]:
        example = media.get("example", "")
    return example if isinstance(example, str) else json.dumps(example, indent=2)


def _parameter(operation: dict[str, Any]) -> dict[str, Any]:
    schema = operation.get("schema", {})
    return {
        "name": operation["name"],
        "place": operation["in"],
        "required": operation.get("required", False),
        "type": _schema(schema),
        "description": operation.get("description") or schema.get("description", ""),
    }


def _answers(operation: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, answer in operation.get("responses", {}).items():
        schemas = [
            _schema(media.get("schema", {}))
            for media in answer.get("content", {}).values()
        ]
        yield str(status), answer.get("description", ""), ", ".join(schemas)


def _schema(operation: dict[str, Any]) -> str:
    """Return the name of a schema, or of a type."""
    if "$ref" in operation:
        return str(operation["$ref"]).rpartition("/")[2]
    if "anyOf" in operation:
        return " or ".join(_schema(choice) for choice in operation["anyOf"])
    if operation.get("type") == "array":
        return f"list of {_schema(operation.get('items', {}))}"
    return str(operation.get("format") or operation.get("type") or "any")


def shapes() -> dict[str, list[dict[str, Any]]]:
    """Return every named schema with its fields, for the end of the page."""
    schemas = document()["components"]["schemas"]
    return {
        name: [
            {
                "name": field,
                "type": _schema(operation),
                "required": field in schema.get("required", []),
                "description": operation.get("description", ""),
            }
            for field, operation in schema.get("properties", {}).items()
        ]
        for name, schema in sorted(schemas.items())
    }
