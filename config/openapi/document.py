"""Builds the document: ninja's, then a pass for each thing that it lacks."""

import json
from functools import cache
from typing import Any

from config.api import api
from config.openapi.answers import complete_answers
from config.openapi.examples import MISSING, Examples
from config.openapi.headers import HEADERS
from config.openapi.naming import camel_case, drop_unused, give_name, hoist_names
from config.openapi.nodes import Node, operations, walk
from config.openapi.security import name_scope, operation_scopes
from config.openapi.texts import DESCRIPTION, INFO, PATH_PARAMETERS, SERVERS, TAGS
from config.openapi.webhooks import list_webhooks
from config.openapi.words import unwrap, use_json_schema_words, without_null


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document; it is the same for everyone, so built once."""
    built = json.loads(json.dumps(api.get_openapi_schema(path_prefix="")))
    built["info"] |= {**INFO, "description": DESCRIPTION}
    built["servers"] = SERVERS
    built["tags"] = [{"name": name, "description": TAGS[name]} for name in TAGS]
    schemas: dict[str, Node] = built["components"]["schemas"]
    built["paths"] = hoist_names(built["paths"], schemas)
    scopes = operation_scopes(api)
    for path, method, operation in operations(built):
        name_scope(operation, scopes)
        _complete(f"{method.upper()} {path}", operation, schemas)
    built["webhooks"] = list_webhooks(schemas)
    drop_unused(built)
    for schema in schemas.values():
        use_json_schema_words(schema)
        _describe_references(schema, schemas)
    _add_examples(built, Examples(schemas))
    built["components"]["headers"] = HEADERS
    return dict(sorted(built.items(), key=_position))


@cache
def document_json() -> bytes:
    """Return the document as it is sent; it is a megabyte, so it is written once."""
    return json.dumps(document()).encode()


_ORDER = ("openapi", "info", "servers", "tags", "paths", "webhooks", "components")


def _position(item: tuple[str, Any]) -> int:
    return _ORDER.index(item[0])


def _complete(call: str, operation: Node, schemas: dict[str, Node]) -> None:
    operation.setdefault("security", [])
    operation["description"] = unwrap(operation.get("description", ""))
    for parameter in operation["parameters"]:
        _complete_parameter(parameter)
    name = camel_case(operation["operationId"])
    if body := operation.get("requestBody"):
        for kind, media in body["content"].items():
            _name_schema(media, schemas, name + _suffix(kind, "In"))
    for status, answer in operation["responses"].items():
        for kind, media in answer.get("content", {}).items():
            suffix = "Out" if status.startswith("2") else "ErrorOut"
            _name_schema(media, schemas, name + _suffix(kind, suffix))
    complete_answers(call, operation)


def _name_schema(media: Node, schemas: dict[str, Node], name: str) -> None:
    use_json_schema_words(media["schema"])
    give_name(media, schemas, name)


_SUFFIXES = {
    "application/x-ndjson": "Lines",
    "text/csv": "Csv",
    "application/zip": "Zip",
}


def _suffix(kind: str, suffix: str) -> str:
    return _SUFFIXES.get(kind, "") + suffix


def _complete_parameter(parameter: Node) -> None:
    schema = parameter["schema"] = without_null(parameter["schema"])
    use_json_schema_words(schema)
    described = schema.pop("description", "")
    if parameter["in"] == "path":
        described = PATH_PARAMETERS.get(parameter["name"], described)
    parameter["description"] = described


def _describe_references(schema: Node, schemas: dict[str, Node]) -> None:
    """Give a field without a description that of the schema that it refers to."""
    for node in walk(schema):
        for field in node.get("properties", {}).values():
            name = str(field.get("$ref", "")).rpartition("/")[2]
            if name and "description" not in field:
                field["description"] = schemas[name]["description"]


def _add_examples(built: dict[str, Any], examples: Examples) -> None:
    examples.add_all()
    for _, _, operation in operations(built):
        for parameter in operation["parameters"]:
            place, name = parameter["in"], parameter["name"]
            schema = parameter["schema"]
            is_path = place == "path"
            value = (
                examples.of_path(name, schema)
                if is_path
                else examples.of_field(place, name, schema)
            )
            _set_example(parameter, value)
            schema.pop("examples", None)
            parameter.pop("examples", None)
        contents = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media in (m for c in contents for m in c.get("content", {}).values()):
            _set_example(media, examples.of_schema(media["schema"]))


def _set_example(node: Node, value: Any) -> None:
    if value is not MISSING:
        node.setdefault("example", value)
