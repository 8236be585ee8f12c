"""What a document is made of: operations and schemas, as JSON objects."""

from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]

_METHODS = ("get", "post", "put", "patch", "delete")
_MAPS = ("properties", "$defs", "patternProperties")
_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "propertyNames", "not")


def operations(built: dict[str, Any]) -> Iterator[tuple[str, str, Node]]:
    """Yield the path, the method, and the operation of each operation."""
    for path, methods in built["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, method, methods[method]


def walk(schema: Node) -> Iterator[Node]:
    """Yield a schema and every schema in it, without following references."""
    yield schema
    for name in _MAPS:
        for inner in schema.get(name, {}).values():
            yield from walk(inner)
    for name in _LISTS:
        for inner in schema.get(name, ()):
            yield from walk(inner)
    for name in _SINGLE:
        if isinstance(inner := schema.get(name), dict):
            yield from walk(inner)
