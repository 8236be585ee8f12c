"""Named schemas for every body and answer, and no schema without a use."""

from typing import Any

from config.openapi.nodes import Node

_PREFIX = "#/components/schemas/"


def reference(name: str) -> Node:
    """Return a reference to a schema of the document."""
    return {"$ref": f"{_PREFIX}{name}"}


def name_of(node: Node) -> str | None:
    """Return the name of the schema that a node refers to."""
    ref = node.get("$ref")
    is_schema = isinstance(ref, str) and ref.startswith(_PREFIX)
    return str(ref).removeprefix(_PREFIX) if is_schema else None


def give_name(media: Node, schemas: dict[str, Node], name: str) -> None:
    """Move the schema of a body or answer to the named ones, unless it is a reference.

    A schema of the same name and contents is shared.
    """
    schema = media["schema"]
    if "$ref" in schema:
        return
    if item := name_of(schema.get("items", {})):
        schema.setdefault("description", f"A list of `{item}`.")
    existing = schemas.setdefault(name, schema)
    if existing != schema:
        raise ValueError(f"Two schemas are named {name}.")
    media["schema"] = reference(name)


def hoist_names(node: Any, schemas: dict[str, Node]) -> Any:
    """Return a copy in which schemas that state their name (`x-name`) are references.

    The routes state it where no class describes a body, such as one that is parsed
    without pydantic.
    """
    if isinstance(node, list):
        return [hoist_names(inner, schemas) for inner in node]
    if not isinstance(node, dict):
        return node
    copy = {key: hoist_names(inner, schemas) for key, inner in node.items()}
    schemas.update(copy.pop("$defs", {}))
    if name := copy.pop("x-name", None):
        give_name(media := {"schema": copy}, schemas, name)
        return media["schema"]
    return copy


def camel_case(operation_id: str) -> str:
    """Return `ListMemberships` for `list_memberships`."""
    return "".join(word.capitalize() for word in operation_id.split("_"))


def drop_unused(document: dict[str, Any]) -> None:
    """Remove the schemas that no operation needs, such as those of parameters."""
    schemas: dict[str, Node] = document["components"]["schemas"]
    waiting, used = _references([document["paths"], document["webhooks"]]), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting |= _references(schemas[name])
    for name in schemas.keys() - used:
        del schemas[name]


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    own = {name} if (name := name_of(node)) else set()
    return own.union(*map(_references, node.values()))
