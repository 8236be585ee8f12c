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
    found: dict[str, list[Operation]] = {}
    for path, methods in document()["paths"].items():
        for method in _METHODS:
            if operation := methods.get(method):
                for tag in operation.get("tags", ["other"]):
                    found.setdefault(tag, []).append(
                        _operation(method, path, operation)
                    )
    return found


def _operation(method: str, path: str, said: dict[str, Any]) -> Operation:
    body = said.get("requestBody", {}).get("content", {})
    return Operation(
        method=method.upper(),
        path=path,
        summary=said.get("summary", ""),
        description=said.get("description", ""),
        parameters=[_parameter(one) for one in said.get("parameters", [])],
        body=", ".join(_schema(one.get("schema", {})) for one in body.values()),
        answers=list(_answers(said)),
    )


def _parameter(said: dict[str, Any]) -> dict[str, Any]:
    schema = said.get("schema", {})
    return {
        "name": said["name"],
        "place": said["in"],
        "required": said.get("required", False),
        "type": _schema(schema),
        "description": said.get("description") or schema.get("description", ""),
    }


def _answers(said: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, answer in said.get("responses", {}).items():
        schemas = [
            _schema(one.get("schema", {})) for one in answer.get("content", {}).values()
        ]
        yield str(status), answer.get("description", ""), ", ".join(schemas)


def _schema(said: dict[str, Any]) -> str:
    """Return the name of a schema, or of a type."""
    if "$ref" in said:
        return str(said["$ref"]).rpartition("/")[2]
    if "anyOf" in said:
        return " or ".join(_schema(one) for one in said["anyOf"])
    if said.get("type") == "array":
        return f"list of {_schema(said.get('items', {}))}"
    return str(said.get("format") or said.get("type") or "any")


def shapes() -> dict[str, list[dict[str, Any]]]:
    """Return every named schema with its fields, for the end of the page."""
    schemas = document()["components"]["schemas"]
    return {
        name: [
            {
                "name": field,
                "type": _schema(said),
                "required": field in schema.get("required", []),
                "description": said.get("description", ""),
            }
            for field, said in schema.get("properties", {}).items()
        ]
        for name, schema in sorted(schemas.items())
    }
