"""Documentation of bodies in which only the fields that are sent change anything."""

from typing import Any


def without_defaults(schema: dict[str, Any]) -> None:
    """Remove the defaults from a JSON schema: a field that is not sent has no value.

    Use it as `json_schema_extra`. In Python the fields need defaults, which `given()`
    leaves out and which need not be accepted as input.
    """
    for field in schema.get("properties", {}).values():
        field.pop("default", None)
