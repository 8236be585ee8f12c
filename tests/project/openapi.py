"""The rules of the OpenAPI document: those of its format, of a linter, and ours.

`python -m tests.project.openapi` lists what `test_openapi.py` refuses. The rules of the
linter are the recommended ones of redocly, so that `make check` needs no Node.js; an
installed one finds nothing else (`npx @redocly/cli lint`).
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.schemas.utils import get_schema_content

from config.openapi.error_codes import CODES, REJECTIONS
from config.openapi.nodes import Node, operations, walk

# The schema of OpenAPI itself; the validator's own code takes half a minute for it.
_FORMAT = jsonschema_rs.validator_for(dict(get_schema_content("3.1")))
_URL = "urn:orgdesk"
_DRAFT = jsonschema_rs.Draft202012
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_CODE = re.compile("`([a-z_.]+)`")
_MODULES = ("billing_", "metrics_api", "orgs_", "config_")
_PYTHON_WORDS = {"ge", "gt", "le", "lt", "max_digits", "decimal_places", "title"}


def list_problems(document: dict[str, Any]) -> list[str]:
    """Return what is missing or wrong in a document, one line each."""
    return [
        *(error.message for error in _FORMAT.iter_errors(document)),
        *_of_info(document),
        *_of_ids(document),
        *_of_operations(document),
        *_of_schemas(document["components"]["schemas"]),
        *_of_unused(document),
        *_of_examples(document),
    ]


def _of_info(document: dict[str, Any]) -> Iterator[str]:
    for name in ("title", "version", "summary", "description", "license", "contact"):
        if not document["info"].get(name):
            yield f"info has no {name}"
    if not document["servers"]:
        yield "there are no servers"
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    used = {tag for _, _, o in operations(document) for tag in o.get("tags", [""])}
    yield from (f"tag {tag!r} has no text" for tag in sorted(used - described))
    yield from (f"tag {tag!r} is not used" for tag in sorted(described - used))


def _of_ids(document: dict[str, Any]) -> Iterator[str]:
    names = Counter(o["operationId"] for _, _, o in operations(document))
    for name, uses in names.items():
        if uses > 1:
            yield f"operation ID {name} is used {uses} times"
        if not _NAME.fullmatch(name) or name.startswith(_MODULES):
            yield f"operation ID {name} is not a plain snake_case name"


def _of_operations(document: dict[str, Any]) -> Iterator[str]:
    for path, method, operation in operations(document):
        place = f"{method.upper()} {path}"
        for problem in _of_operation(operation):
            yield f"{place}: {problem}"


def _of_operation(operation: Node) -> Iterator[str]:
    for name in ("summary", "description", "tags"):
        if not operation.get(name):
            yield f"no {name}"
    if "security" not in operation:
        yield "no security"
    for parameter in operation["parameters"]:
        yield from _of_parameter(parameter)
    yield from _of_content(operation.get("requestBody", {}), "request")
    yield from _of_answers(operation["responses"])


def _of_answers(answers: dict[str, Node]) -> Iterator[str]:
    for kind in "24":
        if not any(status.startswith(kind) for status in answers):
            yield f"no answer with status {kind}xx"
    for status, answer in answers.items():
        if not answer.get("description"):
            yield f"answer {status} has no description"
        yield from _of_content(answer, f"answer {status}")
        if status >= "400" and "Code" not in answer["description"]:
            yield f"answer {status} names no error codes"


def _of_parameter(parameter: Node) -> Iterator[str]:
    for name in ("description", "example", "schema"):
        if name not in parameter or parameter[name] == "":
            yield f"parameter {parameter['name']} has no {name}"
    yield from _of_words(parameter["schema"], f"parameter {parameter['name']}")


def _of_content(holder: Node, place: str) -> Iterator[str]:
    for kind, media in holder.get("content", {}).items():
        if "$ref" not in media["schema"]:
            yield f"{place} has no named schema for {kind}"
        if "example" not in media:
            yield f"{place} has no example for {kind}"


def _of_schemas(schemas: dict[str, Node]) -> Iterator[str]:
    for name, schema in schemas.items():
        if not schema.get("description"):
            yield f"schema {name} has no description"
        if "examples" not in schema:
            yield f"schema {name} has no example"
        for field, node in schema.get("properties", {}).items():
            for word in ("description", "examples"):
                if not node.get(word):
                    yield f"field {name}.{field} has no {word}"
        yield from _of_words(schema, f"schema {name}")


def _of_words(schema: Node, place: str) -> Iterator[str]:
    for node in walk(schema):
        for word in sorted(_PYTHON_WORDS & node.keys()):
            yield f"{place} has {word}, which is no word of JSON Schema"


def _of_unused(document: dict[str, Any]) -> Iterator[str]:
    text = repr(document)
    for kind in ("schemas", "headers"):
        for name in document["components"][kind]:
            if f"'#/components/{kind}/{name}'" not in text:
                yield f"{kind} {name} is not used"


def _of_examples(document: dict[str, Any]) -> Iterator[str]:
    """Validate each example and default against its schema."""
    registry = jsonschema_rs.Registry([(_URL, document)], draft=_DRAFT)
    for pointer, values in _examples(document):
        validator = jsonschema_rs.validator_for(
            {"$ref": f"{_URL}#{pointer}"}, registry=registry, validate_formats=True
        )
        for value in values:
            for error in validator.iter_errors(value):
                yield f"example or default of {pointer}: {error.message[:200]}"


_Examples = tuple[str, list[Any]]  # the JSON pointer of a schema, and values of it


def _examples(document: dict[str, Any]) -> Iterator[_Examples]:
    for name, schema in document["components"]["schemas"].items():
        pointer = f"/components/schemas/{name}"
        yield pointer, _values(schema)
        for field, node in schema.get("properties", {}).items():
            yield f"{pointer}/properties/{_escape(field)}", _values(node)
    for path, method, operation in operations(document):
        yield from _examples_of(f"/paths/{_escape(path)}/{method}", operation)


def _examples_of(pointer: str, operation: Node) -> Iterator[_Examples]:
    for index, parameter in enumerate(operation["parameters"]):
        yield f"{pointer}/parameters/{index}/schema", _values(parameter)
    holders = {"requestBody": operation.get("requestBody", {})}
    for status, answer in operation["responses"].items():
        holders[f"responses/{status}"] = answer
    for place, holder in holders.items():
        for kind, media in holder.get("content", {}).items():
            schema = f"{pointer}/{place}/content/{_escape(kind)}/schema"
            yield schema, _values(media)


def _values(node: Node) -> list[Any]:
    """Return the examples and defaults of a schema, parameter, or content."""
    values = [*node.get("examples", ()), node.get("example"), node.get("default")]
    default = node.get("schema", {}).get("default")
    return [value for value in (*values, default) if value is not None]


def _escape(name: str) -> str:
    """Return a name as JSON pointers in URLs write it."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="")


def error_tables(document: dict[str, Any]) -> str:
    """Return the tables of `docs/api/errors.md`: of errors, and of rejected events."""
    statuses = dict[str, set[str]]()
    for _, _, operation in operations(document):
        for status, answer in operation["responses"].items():
            for code in _CODE.findall(answer["description"]) if status >= "400" else ():
                statuses.setdefault(code, set()).add(status)
    errors = [
        f"| `{code}` | {', '.join(sorted(statuses.get(code, ())))} | {text} |"
        for code, text in sorted(CODES.items())
    ]
    rejections = [f"| `{code}` | {text} |" for code, text in sorted(REJECTIONS.items())]
    return "\n".join(
        [
            "| Code | Status | Meaning |\n| --- | --- | --- |",
            *errors,
            "\n## Rejected events\n",
            "`POST /api/v1/usage/events` succeeds and lists these in `rejected`.\n",
            "| Code | Meaning |\n| --- | --- |",
            *rejections,
        ]
    )


def main() -> int:
    """Print the problems of the project's document; return whether there are any.

    With `--write FILE` the document is written, with `--errors` the tables of the
    error codes are printed instead.
    """
    import django  # noqa: PLC0415  the settings are read here, not by tests

    django.setup()
    from config.openapi.document import document  # noqa: PLC0415  needs the app registry

    whole = document()
    if "--errors" in sys.argv:
        print(error_tables(whole))
        return 0
    if "--write" in sys.argv:
        Path(sys.argv[-1]).write_text(json.dumps(whole))
        return 0
    problems = list_problems(whole)
    if not problems:  # slow, and less to the point
        validator = OpenAPIV31SpecValidator(whole)
        problems = [error.message for error in validator.iter_errors()]
    print("\n".join([*problems, f"{len(problems)} problems in the OpenAPI document"]))
    return min(len(problems), 1)


if __name__ == "__main__":
    sys.exit(main())
