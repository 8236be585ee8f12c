"""PostgreSQL fails during a recording: a 503, nothing stored, and a full retry."""

from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from metrics.commands import record
from tests.factories import event, make_key, make_organization, make_white_label
from tests.factories import usage_of as used


def _cut() -> None:
    """End the database session of the recording, from another session."""
    pid = connection.connection.info.backend_pid  # it is busy with the COPY
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"], user=settings["USER"], dbname=settings["NAME"]
    ) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", [pid])


@pytest.mark.usefixtures("committed")
def test_a_recording_cut_off_midway_stores_nothing_and_can_be_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    acme = make_white_label("acme")
    org = make_organization(acme, "org-7")
    client = Client(headers={"x-api-key": make_key(acme, "usage:write")})
    copy_lines = record._copy_lines

    def cut_and_copied(*rows: Any) -> bytes:
        _cut()
        return copy_lines(*rows)

    monkeypatch.setattr(record, "_copy_lines", cut_and_copied)
    sent = [event("a", timestamp=timezone.now().isoformat())]
    url, kind = "/api/v1/usage/events", "application/json"
    answer = client.post(url, sent, content_type=kind)
    monkeypatch.undo()

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    connection.close()
    assert used(org, "quantity") == []
    answer = client.post(url, sent, content_type=kind)
    assert answer.json()["accepted"] == 1
    assert used(org, "quantity") == [(5,)]


@pytest.mark.usefixtures("committed")
def test_a_connection_is_queried_only_when_it_looks_closed() -> None:
    """Django checks a connection before the first statement of each request."""

    def backend() -> int:
        connection.health_check_done = False  # type: ignore[attr-defined]
        with connection.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            return int(cursor.fetchone()[0])

    first = backend()
    with connection.execute_wrapper(lambda *_: pytest.fail("queried")):
        assert connection.is_usable()
    assert backend() == first

    _cut()
    assert not connection.is_usable()
    assert backend() != first
