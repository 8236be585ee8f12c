"""The chain of seals over the history: every later change of a row is named."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from orgs.commands import sealing
from orgs.commands.sealing import digest_of, seal_due, seal_history
from orgs.models import HistorySeal, Organization, SecurityEvent
from orgs.queries import evidence
from orgs.queries.seals import Breach, verify
from orgs.security_log import Kind, record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture
def sealed(org: Organization, monkeypatch: pytest.MonkeyPatch) -> Organization:
    """Return an organization whose history is in two seals, of several parts each."""
    monkeypatch.setattr(evidence, "ROWS_AT_ONCE", 3)
    for seal in range(2):
        for number in range(5):
            Organization.objects.filter(pk=org.pk).update(
                rate_limit=seal * 10 + number + 1
            )
            record(Kind.LOGIN, subject=f"ann {number}")
        assert seal_history()
    return org


def run(statement: str, *parameters: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def breach() -> Breach | None:
    return verify(digest_of).breach


def test_a_history_that_is_unchanged_verifies(sealed: Organization) -> None:
    result = verify(digest_of)

    assert result.breach is None
    assert result.seals == 2
    assert result.rows >= 20
    record(Kind.LOGOUT, subject="ann")
    assert verify(digest_of).unsealed == result.unsealed + 1


EVENTS = "orgs_organizationevent"
LAST = f"(select max(pgh_id) from {EVENTS})"
FIRST_EVENT = "(select min(id) from orgs_securityevent)"
TAMPERED = {
    f"update {EVENTS} set rate_limit = 99 where pgh_id = {LAST}": "was changed",
    f"delete from {EVENTS} where pgh_id = {LAST} - 2": "was deleted",
    f"update {EVENTS} set pgh_label = 'x' where pgh_id = {LAST} - 1": "was changed",
    "update orgs_securityevent set actor_id = 7": "was changed",
    f"delete from orgs_securityevent where id = {FIRST_EVENT}": "was deleted",
    "update orgs_sealedrows set hashes = hashes || '1'::bytea": "were changed",
    "delete from orgs_sealedrows": "were changed",
    "update orgs_historyseal set number = 7 where number = 1": "seal 1 is missing",
    "update orgs_historyseal set day = day - 1 where number = 2": "was changed",
    "update orgs_historyseal set manifest = '{}' where number = 2": "was changed",
}


@pytest.mark.parametrize("statement", TAMPERED)
def test_what_was_tampered_with_is_named(sealed: Organization, statement: str) -> None:
    run("set local session_replication_role = replica")
    run(statement)

    first = breach()
    assert first
    assert first.what.endswith(TAMPERED[statement])


def test_the_row_and_the_day_of_a_change_are_named(sealed: Organization) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"select max(pgh_id) - 1 from {EVENTS}")
        [id_] = cursor.fetchone()
    run(f"update {EVENTS} set name = 'forged' where pgh_id = %s", id_)

    day = HistorySeal.objects.get(number=2).day
    assert breach() == Breach(2, day, f"row {id_} of {EVENTS} was changed")


def test_a_row_in_the_gap_of_a_rolled_back_one_is_named(org: Organization) -> None:
    with transaction.atomic():
        record(Kind.LOGIN, subject="rolled back")
        gap = SecurityEvent.objects.latest("id").pk
        transaction.set_rollback(True)
    record(Kind.LOGIN, subject="ann")
    assert seal_history()
    forged = SecurityEvent.objects.latest("id")
    forged.pk = gap
    forged.save(force_insert=True)

    first = breach()
    assert first
    assert first.what == f"row {gap} of orgs_securityevent was inserted later"


def test_who_made_a_change_is_sealed_with_it(sealed: Organization) -> None:
    run(
        "insert into pghistory_context (id, metadata, created_at, updated_at)"
        ' select gen_random_uuid(), \'{"username": "bob"}\', now(), now()'
    )
    run(
        f"update {EVENTS} set pgh_context_id = (select id from pghistory_context"
        " where metadata ->> 'username' = 'bob') where pgh_id ="
        f" {LAST}"
    )
    assert breach()


def test_a_removed_end_is_found_with_exported_seals(
    sealed: Organization, tmp_path: Path
) -> None:
    exported = StringIO()
    call_command("export_seals", stdout=exported)
    file = tmp_path / "seals.jsonl"
    file.write_text(exported.getvalue())
    out = StringIO()
    call_command("verify_history", against=file, stdout=out)
    assert "seals 2;" in out.getvalue()

    run(
        "delete from orgs_sealedrows where seal_id in"
        " (select id from orgs_historyseal where number = 2)"
    )
    run("delete from orgs_historyseal where number = 2")
    call_command("verify_history", stdout=out)  # nothing else shows it
    with pytest.raises(CommandError, match="seal 2 of the file is missing"):
        call_command("verify_history", against=file, stdout=out)
    assert SecurityEvent.objects.filter(kind="history_broken").count() == 1


@pytest.mark.parametrize("line", ["{", "[]", '{"number": 1}', '{"number": "x"}'])
def test_a_file_without_seals_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "seals.jsonl"
    file.write_text(line)
    with pytest.raises(CommandError, match="line 1 is not a seal"):
        call_command("verify_history", against=file)
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("verify_history", against=tmp_path / "nothing")


def test_each_day_is_sealed_once(org: Organization) -> None:
    seal = seal_due()
    assert seal
    assert seal.day == (timezone.now() - timedelta(days=1)).date()
    assert seal_due() is None
    [event] = SecurityEvent.objects.filter(kind="history_sealed")
    assert event.details["digest"] == bytes(seal.digest).hex()


def test_the_chain_cannot_fork(
    sealed: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = sealing._write_seal

    def second(until: dict[str, int]) -> HistorySeal:
        with transaction.atomic():
            written(until)  # another process was faster
        last = HistorySeal.objects.get(number=2)
        second_one = HistorySeal(number=4, day=last.day, manifest={}, digest=bytes(32))
        second_one.previous = bytes(HistorySeal.objects.get(number=3).previous)
        second_one.save()
        return second_one

    monkeypatch.setattr(sealing, "_write_seal", second)
    assert seal_history() is None


def test_rows_of_the_retention_are_no_breach(
    sealed: Organization, time_machine_days: Callable[[int], None]
) -> None:
    time_machine_days(200)
    run(f"delete from orgs_securityevent where id <= {FIRST_EVENT} + 2")
    assert breach() is None
    run(f"delete from orgs_securityevent where id = {FIRST_EVENT} + 1")
    assert breach()


@pytest.fixture
def time_machine_days(frozen: object) -> Callable[[int], None]:
    def travel(days: int) -> None:
        frozen.shift(timedelta(days=days))  # type: ignore[attr-defined]

    return travel


@pytest.mark.usefixtures("committed")
def test_a_row_that_commits_late_is_in_the_next_seal(org: Organization) -> None:
    database = settings.DATABASES["default"]
    late = psycopg.connect(
        host=database["HOST"], dbname=database["NAME"], user=database["USER"]
    )
    with late:
        late.execute("update orgs_organization set rate_limit = 5")
        assert seal_history(pause=lambda _: None) is None  # it may still add rows
        ended = threading.Event()

        def end(_: float) -> None:
            if not ended.is_set():
                late.commit()
                ended.set()

        record(Kind.LOGIN, subject="ann")
        assert seal_history(pause=end)
    assert verify(digest_of).breach is None
    manifest = HistorySeal.objects.get().manifest
    assert manifest[EVENTS]["rows"] == Organization.objects.count() * 2


def test_the_seals_are_lines_of_json(sealed: Organization) -> None:
    out = StringIO()
    call_command("export_seals", stdout=out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["number"] for line in lines] == [1, 2]
    assert lines[1]["previous"] == lines[0]["digest"]
