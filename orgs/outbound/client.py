"""Sending a request to an address that a user entered."""

import http.client
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http.client import LineTooLong

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    HTTPError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as HTTPTimeoutError

from orgs.errors import UrlNotAllowed
from orgs.networks import Address
from orgs.outbound import breaker
from orgs.outbound.connections import (
    MAX_BODY_BYTES,
    Deadline,
    ReadLimitExceeded,
    open_connection,
)
from orgs.outbound.names import NameNotResolved
from orgs.outbound.urls import (
    Endpoint,
    find_addresses,
    find_any_addresses,
    read_url,
)
from orgs.outbound.values import Answer, ErrorKind, Target

_REDIRECT, _ERROR, _SERVER_ERROR = 300, 400, 500
_HEADERS_FULL = http.client.HTTPException  # raised for more than 100 headers
# Added to the headers of each request; the caller's come last and may not replace Host.
_HEADERS = {
    "user-agent": "Orgdesk",
    "accept": "*/*",
    "accept-encoding": "identity",
    "connection": "close",
}
# Errors after which the target is asked less and less often, with those of status 5xx.
_FAILURES = frozenset(ErrorKind) - {ErrorKind.HTTP, ErrorKind.REQUEST}


class _Failed(Exception):
    """The answer is known: an error."""

    def __init__(self, kind: ErrorKind, message: str, status: int | None = None):
        super().__init__(message)
        self.answer = Answer(error=kind, message=message, status=status)


def send(target: Target, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send a request once and return the answer, or the error as a value.

    Takes at most `target.deadline` seconds, the name's lookup included. Call it outside
    transactions. Only programming errors are raised.
    """
    if not breaker.may_send(target.breaker):
        message = "The target failed repeatedly and is not contacted at the moment."
        return Answer(error=ErrorKind.CIRCUIT_OPEN, message=message)
    begin = time.monotonic()
    try:
        answer = _send(target, body, headers)
    except _Failed as failed:
        answer = failed.answer
    is_server_error = (answer.status or 0) >= _SERVER_ERROR
    breaker.record(
        target.breaker, is_failure=answer.error in _FAILURES or is_server_error
    )
    return replace(answer, seconds=time.monotonic() - begin)


def _send(target: Target, body: bytes, headers: Mapping[str, str]) -> Answer:
    deadline = Deadline(target.deadline)
    endpoint, addresses = _find_addresses(target, deadline)
    connection = _connect(endpoint, addresses, deadline)
    try:
        answer = _exchange(connection, endpoint, target.method, body, headers)
        if deadline.has_passed:  # the end of the connection may be ours
            raise TimeoutError
    except _Failed:
        raise
    except Exception as error:  # libraries below raise errors of several families
        raise _translate(error, deadline) from None
    else:
        return answer
    finally:
        connection.close()
        deadline.release()


def _find_addresses(
    target: Target, deadline: Deadline
) -> tuple[Endpoint, Sequence[Address]]:
    find = find_any_addresses if target.is_configured else find_addresses
    try:
        endpoint = read_url(target.url)
        return endpoint, find(endpoint, seconds=deadline.remaining)
    except UrlNotAllowed as error:
        raise _Failed(ErrorKind.REFUSED_ADDRESS, error.message) from None
    except NameNotResolved as error:
        kind = ErrorKind.TIMEOUT if error.is_timeout else ErrorKind.DNS
        raise _Failed(kind, str(error)) from None


def _connect(
    endpoint: Endpoint, addresses: Sequence[Address], deadline: Deadline
) -> HTTPConnection:
    """Return a connection to the first of the addresses that accepts one."""
    failed = _Failed(ErrorKind.CONNECT, "No connection.")
    for number, address in enumerate(addresses):
        # One that does not answer leaves its share of the time to the others.
        seconds = deadline.remaining / (len(addresses) - number)
        connection = open_connection(endpoint, address, deadline, seconds)
        try:
            connection.connect()
        except Exception as error:  # libraries below raise errors of several families
            failed = _translate(error, deadline)
            connection.close()
            deadline.release()
        else:
            return connection
        if deadline.has_passed:
            break
    raise failed


def _exchange(
    connection: HTTPConnection,
    endpoint: Endpoint,
    method: str,
    body: bytes,
    headers: Mapping[str, str],
) -> Answer:
    sent = {name.lower(): value for name, value in headers.items()}
    sent = {**_HEADERS, **sent, "host": endpoint.authority}
    connection.request(
        method,
        endpoint.path,
        body=body or None,
        headers=sent,
        preload_content=False,
        decode_content=False,
        enforce_content_length=True,
    )
    return _read(connection.getresponse())


def _read(response: urllib3.BaseHTTPResponse) -> Answer:
    """Return the answer with up to 64 KiB of the body, as it was sent."""
    status = response.status
    try:
        body = response.read(MAX_BODY_BYTES + 1, decode_content=False)
    except ReadLimitExceeded:
        body = b"." * (MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise _Failed(ErrorKind.TOO_LARGE, "The answer is larger than 64 KiB.", status)
    headers = {name.lower(): value for name, value in response.headers.items()}
    answer = Answer(status, headers, body)
    if status >= _ERROR:
        return replace(answer, error=ErrorKind.HTTP, message=f"Status {status}.")
    if status >= _REDIRECT:
        message = f"Status {status}: redirects are not followed."
        return replace(answer, error=ErrorKind.REDIRECT, message=message)
    return answer


def _translate(error: Exception, deadline: Deadline) -> _Failed:
    """Return the error of a library as ours; its text could contain addresses."""
    if deadline.has_passed or isinstance(error, HTTPTimeoutError | TimeoutError):
        return _Failed(ErrorKind.TIMEOUT, "There was no complete answer in time.")
    if (
        isinstance(error, ReadLimitExceeded | LineTooLong)
        or type(error) is _HEADERS_FULL
    ):
        return _Failed(ErrorKind.TOO_LARGE, "The answer's headers are too large.")
    if isinstance(error, SSLError | ssl.SSLError | ssl.CertificateError):
        return _Failed(ErrorKind.TLS, _describe_tls(error))
    if isinstance(error, ConnectionRefusedError):
        return _Failed(ErrorKind.CONNECT, "The connection was refused.")
    if isinstance(error, OSError | HTTPError | http.client.HTTPException):
        return _Failed(ErrorKind.CONNECT, "The connection ended without an answer.")
    if isinstance(error, ValueError):
        return _Failed(ErrorKind.REQUEST, "A header of the request is not valid.")
    raise error


def _describe_tls(error: Exception) -> str:
    reason = getattr(error, "verify_message", "") or getattr(error, "reason", "")
    return f"TLS failed: {reason or 'the certificate is not valid'}."
