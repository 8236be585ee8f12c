"""Examples of fields, parameters, bodies, and answers, built from one table.

An object's example is put together from those of its fields, so that a new field is in
the examples of every operation that has it.
"""

from typing import Any, Final

from config.openapi.example_values import VALUES
from config.openapi.naming import name_of
from config.openapi.nodes import Node

MISSING: Final = object()
_FORMATS = {
    "date-time": "2026-11-05T09:30:00Z",
    "date": "2026-11-05",
}
_DEEPEST = 12  # a schema that contains itself ends here


class Examples:
    """The examples of a document, by its named schemas.

    What has no example is left out; the check of the document refuses it.
    """

    def __init__(self, schemas: dict[str, Node]) -> None:
        self.schemas = schemas

    def add_all(self) -> None:
        """Give every named schema and each of its fields an example, in place."""
        for name, schema in self.schemas.items():
            for field, node in schema.get("properties", {}).items():
                value = self.of_field(name, field, node)
                if value is not MISSING:
                    node["examples"] = [value]
            value = self.of_schema(schema, name)
            if value is not MISSING:
                schema.setdefault("examples", [value])

    def of_field(self, owner: str, field: str, node: Node, depth: int = 0) -> Any:
        """Return the example of a field or parameter, or `MISSING`."""
        if "examples" in node:
            return node["examples"][0]
        for key in (f"{owner}.{field}", field):
            if key in VALUES and self._accepts(node, VALUES[key]):
                return VALUES[key]
        return self.of_schema(node, owner, depth + 1)

    def of_path(self, field: str, node: Node) -> Any:
        """Return the example of a path parameter, or `MISSING`; IDs may be texts."""
        text = VALUES.get(f"path.{field}", MISSING)
        return int(text) if node.get("type") == "integer" else text

    def of_schema(self, node: Node, owner: str = "", depth: int = 0) -> Any:
        """Return the example of a schema, put together from those of its fields."""
        if depth > _DEEPEST:
            return MISSING
        if name := name_of(node):
            return self.of_schema(self.schemas[name], name, depth + 1)
        if node.get("examples"):
            return node["examples"][0]
        if "properties" in node:
            return self._of_object(node, owner, depth)
        return self._of_value(node, owner, depth)

    def _of_object(self, node: Node, owner: str, depth: int) -> dict[str, Any]:
        fields = node["properties"].items()
        values = {
            field: self.of_field(owner, field, inner, depth) for field, inner in fields
        }
        return {field: v for field, v in values.items() if v is not MISSING}

    def _of_value(self, node: Node, owner: str, depth: int) -> Any:
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return node["enum"][0]
        for choice in (*node.get("allOf", ()), *node.get("anyOf", ())):
            return self.of_schema(choice, owner, depth + 1)
        if node.get("type") == "array":
            return self._of_array(node, owner, depth)
        if node.get("type") == "boolean":
            return node.get("default", True)
        return _FORMATS.get(str(node.get("format")), MISSING)

    def _of_array(self, node: Node, owner: str, depth: int) -> Any:
        items = node.get("items", {})
        if not items:
            return []
        value = self.of_schema(items, owner, depth + 1)
        if value is MISSING:
            return [] if not node.get("minItems") else MISSING
        return [value] * max(1, node.get("minItems", 1))

    def _accepts(self, node: Node, value: Any) -> bool:
        """Return whether a value of the table is of the field's type."""
        if name := name_of(node):
            return self._accepts(self.schemas[name], value)
        if choices := node.get("anyOf", node.get("allOf")):
            return any(self._accepts(choice, value) for choice in choices)
        if "const" in node or "enum" in node:
            return value in node.get("enum", [node.get("const")])
        if isinstance(value, list):
            items = node.get("items", {})
            return node.get("type") == "array" and (
                not items or all(self._accepts(items, inner) for inner in value)
            )
        kinds = node.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        return any(_is_of(kind, value) for kind in kinds)


def _is_of(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    accepted: tuple[type, ...] = {
        "string": (str,),
        "integer": (int,),
        "number": (int, float),
        "array": (list,),
        "object": (dict,),
        "null": (type(None),),
    }.get(kind, ())
    return isinstance(value, accepted)
