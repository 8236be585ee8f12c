"""The OpenAPI document, and the page that shows it without anybody's script."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from config.api import api

_METHODS = ("get", "post", "put", "patch", "delete")


@cache
def document() -> dict[str, Any]:
    """OpenAPI 3.1; the same for everyone, so made once per process."""
    return dict(api.get_openapi_schema(path_prefix=""))


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
        "description": schema.get("description", ""),
    }


def _answers(said: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, answer in said.get("responses", {}).items():
        schemas = [
            _schema(one.get("schema", {})) for one in answer.get("content", {}).values()
        ]
        yield str(status), answer.get("description", ""), ", ".join(schemas)


def _schema(said: dict[str, Any]) -> str:
    """A schema in a word: the name of a shape, or a type."""
    if "$ref" in said:
        return str(said["$ref"]).rpartition("/")[2]
    if "anyOf" in said:
        return " or ".join(_schema(one) for one in said["anyOf"])
    if said.get("type") == "array":
        return f"list of {_schema(said.get('items', {}))}"
    return str(said.get("format") or said.get("type") or "any")


def shapes() -> dict[str, list[dict[str, Any]]]:
    """Every named shape with its fields, for the bottom of the page."""
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
