"""JSON Schema words for what pydantic writes in Python's, and nothing more.

Pydantic keeps `ge`, `le`, and `max_digits` as they are where a validator runs before
the constraint, and titles every field after its Python name.
"""

import re
from decimal import Decimal

from config.openapi.nodes import Node, walk

_WORDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "multiple_of": "multipleOf",
}


def use_json_schema_words(schema: Node) -> None:
    """Rewrite a schema and all schemas in it, in place."""
    for node in walk(schema):
        node.pop("title", None)
        for word, replacement in _WORDS.items():
            if word in node:
                node[replacement] = node.pop(word)
        _bound_digits(node)
        if node.get("default", ...) is None:
            del node["default"]


def _bound_digits(node: Node) -> None:
    """Replace a number of digits by a bound; places cannot be stated for floats."""
    digits, places = node.pop("max_digits", None), node.pop("decimal_places", 0)
    if digits is not None:
        node["exclusiveMaximum"] = int(Decimal(10) ** (digits - places))


def without_null(schema: Node) -> Node:
    """Return the schema of a parameter: one that is left out is absent, not null."""
    choices = [c for c in schema.get("anyOf", ()) if c.get("type") != "null"]
    if len(choices) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**choices[0], **rest}


_WRAPPED = re.compile(r"(?<!\n)\n(?![\n\-*])")


def unwrap(text: str) -> str:
    """Return a docstring whose paragraphs are lines; the breaks are those of code."""
    return _WRAPPED.sub(" ", text)
