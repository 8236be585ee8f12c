"""An error on the fast path is answered once, counted once and logged once."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import psycopg
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import InterfaceError, OperationalError, transaction

from config import fast_path
from config.middleware import REQUEST_ID
from orgs.models import ApiKey, Organization, WhiteLabel
from orgs.queries.prepared import fetch_all
from tests.factories import NOW, make_key, make_rate
from tests.support.wsgi import FAST_PATH, Answer, environ, keep_connection, respond

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture(autouse=True)
def _connection_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_connection(monkeypatch)


@pytest.fixture(params=["charts", "access"])
def call(
    request: pytest.FixtureRequest, acme: WhiteLabel, org: Organization
) -> dict[str, Any]:
    """Return a request of each kind, whose key was just used."""
    make_rate(acme, "2")
    key = make_key(acme, "billing:read", "organizations:read")
    ApiKey.objects.update(last_used_at=NOW)
    paths = {
        "charts": f"/api/v1/billing/costs/{org.pk}/charts",
        "access": f"/api/v1/organizations/{org.pk}/access",
    }
    return environ(paths[request.param], key)


class Work:
    """The work behind a call, which fails and counts its executions."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.runs = 0

    def __call__(self, *_: object, **__: object) -> Any:
        self.runs += 1
        raise self.error


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Exception], Work]]:
    """Let the work of every call fail, on the fast path and in Django alike."""
    with monkeypatch.context() as patch:

        def fail(error: Exception) -> Work:
            work = Work(error)
            patch.setattr("metrics.api.costs.cost_digits", work)
            patch.setattr("billing.api.access.access_body", work)
            return work

        yield fail


def without_waiting_time(answer: Answer) -> Answer:
    status, headers, body = answer
    return status, {**headers, "Retry-After": "-"}, body


class PoolTimeout(psycopg.OperationalError):
    """The error of psycopg_pool, a package that the product does not need."""


UNAVAILABLE = [
    OperationalError("canceling statement due to statement timeout"),
    InterfaceError("the connection is closed"),
    PoolTimeout("couldn't get a connection after 5.00 sec"),
]


@pytest.mark.parametrize("error", UNAVAILABLE, ids=repr)
def test_a_database_error_is_a_503_after_one_execution(
    call: dict[str, Any],
    error: Exception,
    failing: Callable[[Exception], Work],
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = failing(error)

    status, headers, body = answer = respond(FAST_PATH, dict(call))

    assert (status, headers["Retry-After"]) == ("503 Service Unavailable", "5")
    assert orjson.loads(body)["errors"][0]["code"] == "unavailable"
    assert headers["x-cloud-error-codes"] == "unavailable"
    assert work.runs == 1
    [record] = caplog.records
    assert (record.name, record.levelname) == ("config.errors", "WARNING")
    assert record.request_id == headers["X-Request-ID"]  # type: ignore[attr-defined]
    assert f"request_id={headers['X-Request-ID']}" in record.getMessage()
    assert respond(WSGIHandler(), dict(call)) == answer


def test_an_unexpected_error_is_a_500_after_one_execution_and_logged(
    call: dict[str, Any],
    failing: Callable[[Exception], Work],
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = failing(RuntimeError("select secret from accounts"))

    status, headers, body = answer = respond(FAST_PATH, dict(call))

    assert status == "500 Internal Server Error"
    assert headers["x-cloud-error-codes"] == "billing_service.failed_request"
    assert b"secret" not in body
    assert work.runs == 1
    [record] = caplog.records
    assert (record.name, record.levelno) == ("config.errors", logging.ERROR)
    assert record.request_id == headers["X-Request-ID"]  # type: ignore[attr-defined]
    assert record.exc_info is not None
    assert record.exc_info[1] is work.error
    assert respond(WSGIHandler(), dict(call)) == answer


@pytest.mark.parametrize("error", [UNAVAILABLE[0], RuntimeError("surprise")], ids=repr)
def test_a_failed_call_counts_once_against_the_rate_limit(
    call: dict[str, Any],
    org: Organization,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A failure leaves two calls of a limit of three, also when Django answers."""
    Organization.objects.filter(pk=org.pk).update(rate_limit=3)
    application = fast_path.FastPath(WSGIHandler())
    with monkeypatch.context() as patch:
        patch.setattr("metrics.api.costs.cost_digits", Work(error))
        patch.setattr("billing.api.access.access_body", Work(error))
        assert respond(application, dict(call))[0][:1] == "5"

    statuses = [respond(application, dict(call))[0] for _ in range(3)]

    assert statuses == ["200 OK", "200 OK", "429 Too Many Requests"]


def test_a_call_over_the_limit_is_refused_as_in_django(
    call: dict[str, Any], org: Organization
) -> None:
    Organization.objects.filter(pk=org.pk).update(rate_limit=1)
    assert respond(FAST_PATH, dict(call))[0] == "200 OK"

    answer = respond(FAST_PATH, dict(call))

    assert answer[0] == "429 Too Many Requests"
    assert int(answer[1]["Retry-After"]) in range(1, 61)
    django = respond(WSGIHandler(), dict(call))
    assert without_waiting_time(answer) == without_waiting_time(django)


@pytest.mark.parametrize("call", ["charts"], indirect=True)
@pytest.mark.parametrize(
    "query",
    ["from=x", "from=2026-11-02&to=2026-11-01", "from=1999-01-01",
     "bucketing_strategy=hourly", "from=2020-01-01"],
)  # fmt: skip
def test_an_invalid_range_is_refused_as_in_django(
    call: dict[str, Any], org: Organization, query: str
) -> None:
    """A refused call counts, as in Django: it leaves one of two calls."""
    Organization.objects.filter(pk=org.pk).update(rate_limit=2)
    wrong = {**call, "QUERY_STRING": query}

    answer = respond(FAST_PATH, dict(wrong))

    assert answer[0] == "400 Bad Request"
    assert respond(WSGIHandler(), dict(wrong)) == answer
    assert respond(FAST_PATH, dict(call))[0] == "429 Too Many Requests"


@pytest.mark.parametrize("call", ["charts"], indirect=True)
def test_a_statement_timeout_of_postgresql_is_a_503(
    call: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        with transaction.atomic():
            fetch_all("select set_config('statement_timeout', '20', true)", {})
            fetch_all("select pg_sleep(5)", {})

    monkeypatch.setattr("metrics.api.costs.cost_digits", slow)

    assert respond(FAST_PATH, dict(call))[0] == "503 Service Unavailable"


@pytest.mark.parametrize("call", ["charts"], indirect=True)
def test_a_database_that_is_down_at_the_first_query_is_a_503(
    call: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Work(OperationalError("connection refused"))
    monkeypatch.setattr("orgs.access.fast_path.find_key", away)

    assert respond(FAST_PATH, dict(call))[0] == "503 Service Unavailable"
    assert away.runs == 1


@pytest.mark.parametrize("call", ["access"], indirect=True)
def test_an_error_has_the_request_id_of_its_log_line(
    call: dict[str, Any],
    failing: Callable[[Exception], Work],
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing(RuntimeError("surprise"))

    del call[REQUEST_ID]
    _, headers, _ = respond(FAST_PATH, call)

    [record] = caplog.records
    assert len(headers["X-Request-ID"]) == 32
    assert record.request_id == headers["X-Request-ID"]  # type: ignore[attr-defined]
