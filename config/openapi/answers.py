"""The answers of operations: texts, headers, and the error codes of each."""

from http.client import responses

from config.openapi.error_codes import codes_of, describe_codes, error_example
from config.openapi.headers import add_headers, code_header
from config.openapi.naming import name_of, reference
from config.openapi.nodes import Node
from config.openapi.texts import ANSWERS

JSON = "application/json"
_OF_BODIES = ("413", "415")
# What ninja writes where an operation describes nothing.
_PHRASES = frozenset(responses.values())


def complete_answers(call: str, operation: Node) -> None:
    """Add the answers that every operation may give, and describe all of them.

    `call` is its method and path, such as `GET /api/v1/rates`.
    """
    _add_common(operation)
    add_headers(operation)
    for status, answer in operation["responses"].items():
        if answer["description"] in _PHRASES:
            answer["description"] = ANSWERS[status]
        if status >= "400":
            _complete_error(call, operation, status)
    ordered = sorted(operation["responses"].items())
    operation["responses"] = dict(ordered)


def _add_common(operation: Node) -> None:
    """Add what the layers around an operation answer: bodies are read, the rest fails.

    Operations without a body never answer that it is too large.
    """
    answers = operation["responses"]
    error = _error_schema(answers)
    common = ["500", "503"]
    if "requestBody" in operation:
        common += _OF_BODIES
    else:
        for status in _OF_BODIES:
            answers.pop(status, None)
    for status in common:
        content = {JSON: {"schema": reference(error)}}
        answers.setdefault(status, {"description": ANSWERS[status], "content": content})


def _error_schema(answers: Node) -> str:
    """Return the name of the schema of the operation's errors, which is one for all."""
    for status, answer in answers.items():
        if status >= "400":
            return str(name_of(answer["content"][JSON]["schema"]))
    raise LookupError("The operation has no error answers.")


def _complete_error(call: str, operation: Node, status: str) -> None:
    answer = operation["responses"][status]
    codes = codes_of(operation, call, status)
    media = answer["content"][JSON]
    name = str(name_of(media["schema"]))
    media["example"] = error_example(name, codes[0])
    answer["description"] += describe_codes(codes)
    if name == "ErrorsOut":
        answer["headers"]["x-cloud-error-codes"] = code_header(codes)
