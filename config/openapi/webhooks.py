"""The webhooks of the document: one for each event type of the catalog."""

from typing import Any

from billing.webhooks.event_types import EVENT_TYPES, EventType
from billing.webhooks.schemas.event_data import sample_of, schema_of
from config.openapi.naming import camel_case, name_of, reference
from config.openapi.nodes import Node
from config.openapi.words import use_json_schema_words

TAG = "webhooks"
_TIMESTAMP = "2026-11-20T14:05:00Z"
_ID = "evt_5257b8fd5f8a4c7fb2a0d1b7d3a0f4a1"
_HEADERS = {
    "webhook-id": ("The ID of the event, the same in every attempt.", _ID),
    "webhook-timestamp": ("The time of the attempt, in Unix seconds.", "1795183500"),
    "webhook-signature": (
        "The signatures of ID, timestamp, and body, as Standard Webhooks specifies.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
}
_ANSWERS = {
    "2XX": "The event is accepted. Any other answer is an error.",
    "410": "The endpoint is gone: it is disabled at once.",
}


def list_webhooks(schemas: dict[str, Node]) -> dict[str, Any]:
    """Return the webhooks by event type, and add their bodies to the schemas."""
    return {
        key: {"post": _webhook(type_, schemas)} for key, type_ in EVENT_TYPES.items()
    }


def _webhook(type_: EventType, schemas: dict[str, Node]) -> Node:
    name = camel_case(type_.key.replace(".", "_")) + "Event"
    schemas[name] = _event(type_, _add_data(type_.key, schemas))
    media = {"schema": reference(name), "example": schemas[name]["examples"][0]}
    return {
        "operationId": f"receive_{type_.key.replace('.', '_')}",
        "summary": type_.key,
        "description": type_.description,
        "tags": [TAG],
        "security": [],
        "parameters": [_header(name, *_HEADERS[name]) for name in _HEADERS],
        "requestBody": {"required": True, "content": {"application/json": media}},
        "responses": {
            status: {"description": text} for status, text in _ANSWERS.items()
        },
    }


def _header(name: str, description: str, example: str) -> Node:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }


def _add_data(key: str, schemas: dict[str, Node]) -> str:
    """Add the schema of a type's data to the named ones, and return its name."""
    model = schema_of(key)
    if model.__name__ in schemas:
        return model.__name__
    schema = model.model_json_schema(
        ref_template="#/components/schemas/{model}", mode="serialization"
    )
    parts = schema.pop("$defs", {})
    new = {name: part for name, part in parts.items() if name not in schemas}
    new[model.__name__] = schema
    _add_examples(schema, sample_of(key), new)
    schemas.update(new)
    return model.__name__


def _add_examples(schema: Node, sample: dict[str, Any], new: dict[str, Node]) -> None:
    """Give a new schema and its fields the parts of a sample as examples."""
    schema["examples"] = [sample]
    for field, node in schema["properties"].items():
        node["examples"] = [sample[field]]
        part = new.get(name_of(node) or name_of(node.get("items", {})) or "")
        values = sample[field] if isinstance(sample[field], list) else [sample[field]]
        if part and values:
            _add_examples(part, values[0], new)


def _event(type_: EventType, data: str) -> Node:
    event: Node = {
        "type": "object",
        "description": type_.description,
        "required": ["id", "type", "timestamp", "data"],
        "properties": {
            "id": {
                "type": "string",
                "description": "The ID of the event, as in `webhook-id`.",
                "examples": [_ID],
            },
            "type": {
                "const": type_.key,
                "type": "string",
                "description": "The type of the event.",
                "examples": [type_.key],
            },
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened.",
                "examples": [_TIMESTAMP],
            },
            "data": {
                **reference(data),
                "description": "What happened.",
                "examples": [sample_of(type_.key)],
            },
        },
    }
    fields = event["properties"].items()
    event["examples"] = [{name: field["examples"][0] for name, field in fields}]
    use_json_schema_words(event)
    return event
