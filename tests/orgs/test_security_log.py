"""The security log: rows, lines, limits of repeated events, and hostile texts."""

import json
import logging
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection, transaction

from orgs.models import SecurityEvent, WhiteLabel
from orgs.security_log import (
    Actor,
    ActorKind,
    Kind,
    Origin,
    coming_from,
    record,
    write_deferred,
)
from orgs.security_log.kinds import DESCRIPTIONS
from orgs.security_log.repeats import ROWS_OF_ALL, ROWS_OF_ONE, Repeats, repeats
from tests.factories import make_key, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
ANN = Actor(ActorKind.PERSON, 7, "ann")


class Lines(logging.Handler):
    """What the security log would write to the standard error."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler, logger = Lines(), logging.getLogger("orgdesk.security")
    logger.addHandler(handler)
    yield handler.written
    logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def none_repeated() -> None:
    repeats.forget()


def a_request(address: str = "192.0.2.7") -> Origin:
    return Origin(
        "r-1",
        "theirs",
        "curl/8",
        lambda: address,
        find_actor=lambda: ANN,
        is_request=True,
    )


def test_every_kind_is_described() -> None:
    assert set(DESCRIPTIONS) == set(Kind)


def test_an_event_is_a_row_and_a_line(lines: list[str], acme: WhiteLabel) -> None:
    bob = make_user("bob", white_label=acme)
    SecurityEvent.objects.all().delete()
    lines.clear()
    with coming_from(a_request()):
        record(Kind.ROLES_CHANGED, subject=bob, details={"added": ["viewer"]})

    [row] = SecurityEvent.objects.values()
    expected = {
        "kind": "roles_changed", "outcome": "success",
        "actor_kind": "person", "actor_id": 7, "actor_name": "ann",
        "subject_kind": "person", "subject_id": bob.pk, "subject_name": "bob",
        "white_label_id": acme.pk, "address": "192.0.2.7", "request_id": "r-1",
        "client_request_id": "theirs", "user_agent": "curl/8",
        "details": {"added": ["viewer"]},
    }  # fmt: skip
    assert expected.items() <= row.items()
    [line] = map(json.loads, lines)
    assert line["actor"] == {"kind": "person", "id": 7, "name": "ann"}
    assert line["details"] == {"added": ["viewer"]}


HOSTILE = 'a\nb\r\x1b[31m\x00"\u2028\ud800' + "x" * 400


def test_a_hostile_text_is_one_line_and_one_row(lines: list[str]) -> None:
    origin = Origin(user_agent=HOSTILE, is_request=True)
    with coming_from(origin):
        record(Kind.LOGIN_FAILED, subject=HOSTILE, details={HOSTILE: [HOSTILE, {1: 2}]})

    write_deferred()
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert len(lines) == 1
    with coming_from(origin):
        write_deferred()
    [row] = SecurityEvent.objects.all()
    assert len(row.subject_name) == 200
    assert len(row.user_agent) == 300


def test_a_failure_survives_the_rollback_of_its_request() -> None:
    with coming_from(a_request()):
        with transaction.atomic():
            record(Kind.LOGIN_FAILED, subject="bob")
            record(Kind.ROLES_CHANGED, subject="bob")
            transaction.set_rollback(True)
        write_deferred()

    assert [row.kind for row in SecurityEvent.objects.all()] == ["login_failed"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("committed")
def test_a_row_that_cannot_be_written_fails_only_its_transaction(
    lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("alter table orgs_securityevent rename to away")
    try:
        record(Kind.LOGIN, subject="bob")  # the login goes on, with its line
        with pytest.raises(DatabaseError), transaction.atomic():
            record(Kind.ROLES_CHANGED, subject="bob")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("alter table away rename to orgs_securityevent")
    assert len(lines) == 2
    assert caplog.text.count("security_event_not_written") == 2


def test_repeated_failures_leave_few_rows_and_all_lines(lines: list[str]) -> None:
    with coming_from(a_request()) as origin:
        for number in range(600):
            record(Kind.LOGIN_FAILED, subject=f"user-{number}")
        assert len(lines) == 600
        write_deferred()
        last = origin
    assert last.deferred == []
    rows = SecurityEvent.objects.order_by("id")
    assert len(rows) == ROWS_OF_ONE + len([16, 32, 64, 128, 256, 512])
    assert rows[len(rows) - 1].details == {"attempts": 512}


def test_many_addresses_and_accounts_together_are_limited() -> None:
    counters = Repeats()
    numbers = [
        counters.count("kind", caller=f"a{n}", account=f"u{n}")
        for n in range(3 * ROWS_OF_ALL)
    ]
    assert sum(number is not None for number in numbers) == ROWS_OF_ALL + 2
    assert counters.count("another", caller="a1", account="u1") == 1


def test_an_account_is_limited_over_all_addresses() -> None:
    counters = Repeats()
    numbers = [counters.count("k", caller=str(n), account="ann") for n in range(100)]
    assert sum(number is not None for number in numbers) == ROWS_OF_ONE + 3


def test_one_account_uses_up_little_of_the_share_of_all() -> None:
    counters = Repeats()
    for _ in range(3 * ROWS_OF_ALL):
        counters.count("kind", caller="", account="ann")
    assert counters.count("kind", caller="", account="bob") == 1


def test_what_was_granted_is_always_a_row() -> None:
    with coming_from(a_request()):
        for _ in range(ROWS_OF_ONE + 5):
            record(Kind.EXPORT, details={"file": "x.csv"})
        for number in range(ROWS_OF_ONE + 5):
            record(Kind.LOGIN, subject=f"user-{number}")

    assert SecurityEvent.objects.count() == 2 * (ROWS_OF_ONE + 5)


def test_people_of_one_address_are_counted_apart() -> None:
    with coming_from(a_request()):
        for _ in range(100):
            record(Kind.ACCESS_DENIED, details={"path": "/"})
        record(Kind.ACCESS_DENIED, actor=Actor(ActorKind.PERSON, 8, "bob"))
        write_deferred()

    assert SecurityEvent.objects.filter(actor_name="bob").count() == 1


def test_no_token_of_a_link_is_recorded(lines: list[str]) -> None:
    path = "/customer/page_secret/"
    record(Kind.ACCESS_DENIED, details={"path": path, "query": "signature=secret&a=1"})

    [row] = SecurityEvent.objects.values_list("details", flat=True)
    assert row == {"path": "/customer/…/", "query": "signature=…&a=1"}
    assert "secret" not in "".join(lines)


def test_no_secret_of_a_key_is_recorded(acme: WhiteLabel, lines: list[str]) -> None:
    text = make_key(acme, "billing:read")
    assert text not in "".join(lines)
    assert not any(text in str(row) for row in SecurityEvent.objects.values())
