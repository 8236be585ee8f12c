"""Strict parsing of request bodies: anything ambiguous is refused."""

import json
import zlib
from collections.abc import Collection
from decimal import Decimal
from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from orgs.errors import DomainError, TooLarge, UnsupportedMediaType

JSON = "application/json"
NDJSON = "application/x-ndjson"
_MAX_DEPTH = 32
_MAX_INTEGER_DIGITS = 19
_MAX_FLOAT_LENGTH = 60
_MAX_INTEGER = 2**63 - 1
_CHUNK = 1 << 16
_MAX_MEMBERS = 10_000  # of a gzip body; more than one for each event is no log


def read_json(request: HttpRequest, *, max_bytes: int = 1 << 20) -> Any:
    """Return the body as JSON values; numbers with a point or exponent are `Decimal`s.

    Raises 415 for another type or encoding, 413 if it is too large, and 400 for NaN, a
    duplicate key, NUL, an unpaired surrogate, depth over 32 or more than 64 bits.
    """
    return parse_json(read_bytes(request, types={JSON}, max_bytes=max_bytes))


def read_bytes(
    request: HttpRequest,
    *,
    types: Collection[str],
    max_bytes: int,
    accepts_gzip: bool = False,
) -> bytes:
    """Return the body, decompressed if that is allowed, of at most `max_bytes`."""
    if request.content_type not in types:
        raise UnsupportedMediaType(f"Send the body as {' or '.join(sorted(types))}.")
    charset = (request.content_params or {}).get("charset", "utf-8")
    if charset.lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType("Send the body in UTF-8.")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "gzip" and accepts_gzip:
        return _inflate(_raw(request, max_bytes), max_bytes)
    if encoding != "identity":
        raise UnsupportedMediaType(
            f"Content encoding {encoding[:20]!r} is not supported."
        )
    return _raw(request, max_bytes)


def _raw(request: HttpRequest, max_bytes: int) -> bytes:
    """Read at most one byte more than the limit, whatever `Content-Length` says."""
    try:
        length = int(request.headers.get("content-length") or 0)
    except ValueError:
        length = 0
    if length > max_bytes:
        _too_large(max_bytes)
    if hasattr(request, "_body"):
        body = request.body
    else:
        try:
            body = request.read(max_bytes + 1)
        except RequestDataTooBig:
            _too_large(max_bytes)
    if len(body) > max_bytes:
        _too_large(max_bytes)
    return body


def _inflate(compressed: bytes, max_bytes: int) -> bytes:
    """Decompress all members of a gzip body; the limit holds for their sum.

    A gzip stream is a series of members (RFC 1952, 2.2): log shippers and `cat` append
    one to another. Bytes that are not a member are refused, since ignoring them would
    lose what they were meant to say.
    """
    rest, body, members = memoryview(compressed), bytearray(), 0
    while rest or not members:
        members += 1
        if members > _MAX_MEMBERS:
            raise DomainError(
                f"The gzip body has more than {_MAX_MEMBERS:,} members.",
                code="invalid_body",
            )
        rest = _inflate_member(rest, body, max_bytes)
    return bytes(body)


def _inflate_member(rest: memoryview, body: bytearray, max_bytes: int) -> memoryview:
    """Append the first member to the body and return the bytes that follow it.

    It is read in chunks, because zlib copies what follows a member: in one piece, a
    body of many small members would be copied as often as it has members. A small body
    can also grow a thousandfold, so no more than the limit is decompressed.
    """
    inflater = zlib.decompressobj(wbits=31)
    while not inflater.eof:
        if not rest:
            raise DomainError("The gzip body is incomplete.", code="invalid_body")
        chunk = rest[:_CHUNK]
        try:
            body += inflater.decompress(chunk, max_bytes + 1 - len(body))
        except zlib.error:
            raise DomainError(
                "The body is not valid gzip data up to its last byte.",
                code="invalid_body",
            ) from None
        if len(body) > max_bytes:
            _too_large(max_bytes)
        unread = len(inflater.unused_data) + len(inflater.unconsumed_tail)
        rest = rest[len(chunk) - unread :]
    return rest


def _too_large(max_bytes: int) -> NoReturn:
    raise TooLarge(f"The body is larger than the limit of {max_bytes:,} bytes.")


def parse_json(body: bytes) -> Any:
    """Return the JSON values of a body; see `read_json` for the errors."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_fraction,
        )
    except (ValueError, RecursionError):
        raise DomainError("The body is not valid JSON.", code="invalid_body") from None
    _check(value, 0)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise DomainError("A JSON key is given more than once.", code="duplicate_key")
    return values


def _constant(text: str) -> NoReturn:
    raise DomainError(f"{text} is not a number.", code="not_finite")


def _integer(text: str) -> int:
    number = int(text) if len(text) <= _MAX_INTEGER_DIGITS + 1 else _MAX_INTEGER + 1
    if not -_MAX_INTEGER <= number <= _MAX_INTEGER:
        raise DomainError("An integer is larger than 64 bits.", code="out_of_range")
    return number


def _fraction(text: str) -> Decimal:
    if len(text) > _MAX_FLOAT_LENGTH:
        raise DomainError("A number has more than 60 characters.", code="too_precise")
    return Decimal(text)


def _check(value: Any, depth: int) -> None:
    """Refuse text that PostgreSQL cannot store, and deep nesting."""
    if depth > _MAX_DEPTH:
        raise DomainError(
            "The body is nested more than 32 levels deep.", code="invalid_body"
        )
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)


def _check_text(text: str) -> None:
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise DomainError(
            "Text must not contain NUL characters or unpaired surrogates.",
            code="invalid_character",
        )
