"""What is sent to and what comes back from an address that a user entered."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal


class ErrorKind(StrEnum):
    """Why a request did not succeed."""

    REFUSED_ADDRESS = "refused_address"  # the URL or an address of it is not allowed
    CIRCUIT_OPEN = "circuit_open"  # it failed so often that it is not contacted now
    REQUEST = "request"  # a header or the URL cannot be sent as it is
    DNS = "dns"
    CONNECT = "connect"  # refused, unreachable, closed, or no HTTP
    TLS = "tls"  # no TLS, or a certificate that is not valid for the name
    TIMEOUT = "timeout"  # the deadline passed, in whatever step
    TOO_LARGE = "too_large"  # headers or body above their limit
    REDIRECT = "redirect"
    HTTP = "http"  # a status of 400 or above


@dataclass(frozen=True, slots=True)
class Target:
    """The destination of a request; `deadline` is its total time, in seconds.

    `breaker` names the circuit breaker, such as `integration:7`: targets with the same
    name fail together. Without a name there is none, for a test by a person. A URL that
    `is_configured` by a setting may be at any address.
    """

    url: str
    breaker: str = ""
    deadline: float = 5.0
    method: Literal["GET", "POST", "PUT"] = "POST"
    is_configured: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request, or why there is none.

    `status` is null if none was received. `body` is at most 64 KiB, as it was sent,
    never decompressed; `headers` have lower-case names. `seconds` is how long it took.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: ErrorKind | None = None
    message: str = ""
    seconds: float = 0.0

    @property
    def is_success(self) -> bool:
        """Return whether the target accepted the request, completely."""
        return self.error is None

    @property
    def text(self) -> str:
        """Return the body as one line of at most 500 characters, for people.

        Without control characters: PostgreSQL stores no NUL, and a page must not be
        reordered by what a target answers.
        """
        text = self.body.decode("utf-8", "replace")
        shown = (char if char.isprintable() else " " for char in text)
        return " ".join("".join(shown).split())[:500]

    def without(self, *secrets: str) -> "Answer":
        """Return the answer with secrets masked that the target has sent back."""
        body = self.body
        for secret in filter(None, secrets):
            body = body.replace(secret.encode(), b"********")
        return replace(self, body=body)

    @property
    def retry_after(self) -> int | None:
        """Return the seconds of the header Retry-After, at most an hour; or null.

        A date is not read: clocks differ.
        """
        text = self.headers.get("retry-after", "").strip()
        longest = 3_600
        if not (text.isascii() and text.isdecimal()):
            return None
        return min(int(text[:9]), longest)
