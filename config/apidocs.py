"""The OpenAPI document, and its contents for the API reference page."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from config.api import api

_METHODS = ("get", "post", "put", "patch", "delete")


_PATH_PARAMETERS = {
    "organization_id": "The ID of the organization.",
    "inner_id": "The ID of an organization of the white label.",
    "member_id": "The ID of the member.",
    "user_id": "The ID of the user.",
    "project_id": "The ID of the project.",
    "deployment_id": "The ID of the project, or `none` for usage without a project.",
    "export_id": "The ID of the export.",
    "table": "The name of the table, from `GET /api/v1/tables`.",
    "number": "The number of the billing period.",
    "report_id": "The ID of the usage report.",
}


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document; it is the same for everyone, so built once."""
    schema = dict(api.get_openapi_schema(path_prefix=""))
    for operation in _operations(schema):
        for parameter in operation.get("parameters", ()):
            _describe(parameter)
    return schema


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in schema["paths"].values():
        yield from methods.values()


def _describe(parameter: dict[str, Any]) -> None:
    """Give a path parameter the description that each operation would repeat."""
    if parameter["in"] == "path":
        parameter["description"] = _PATH_PARAMETERS[parameter["name"]]


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    summary: str
    description: str
    parameters: list[dict[str, Any]]
    body: str
    answers: list[tuple[str, str, str]]  # status, description, schema


def operations_by_tag() -> dict[str, list[Operation]]:
    """Return the operations of the API reference by tag, in the document's order."""
    by_tag: dict[str, list[Operation]] = {}
    for path, methods in document()["paths"].items():
        for method in _METHODS:
            if operation := methods.get(method):
                for tag in operation.get("tags", ["other"]):
                    by_tag.setdefault(tag, []).append(
                        _operation(method, path, operation)
                    )
    return by_tag


def _operation(method: str, path: str, operation: dict[str, Any]) -> Operation:
    body = operation.get("requestBody", {}).get("content", {})
    return Operation(
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        parameters=[
            _parameter(parameter) for parameter in operation.get("parameters", [])
        ],
        body=", ".join(_schema(media.get("schema", {})) for media in body.values()),
        answers=list(_answers(operation)),
    )


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
