"""Large exports: written in parts by workers that may die, and seen by their owner."""

import csv
import hashlib
import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from billing.exports import tasks
from billing.exports.commands import requests, writing
from billing.exports.queries import (
    batches,
    contents,
    event_tables,
    history_tables,
)
from billing.models import Export, ExportPart, Invoice
from metrics.queries import cost_lines
from orgs.commands.work import list_forgotten
from orgs.models import Organization, User, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    make_user,
    record,
)
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen", "small")]
ROWS, HOUR = 11, timedelta(hours=1)
URL = "/tables/invoices.csv"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 5 rows are an export, of 3 rows a part."""
    monkeypatch.setattr(contents, "MAX_ROWS", 5)
    monkeypatch.setattr(batches, "PART_ROWS", 3)
    monkeypatch.setattr(writing, "PART_ROWS", 3)


@pytest.fixture
@snapshot
def invoices(org: Organization) -> list[int]:
    rows = (invoice(org, number) for number in range(ROWS))
    return sorted((row.pk for row in Invoice.objects.bulk_create(rows)), reverse=True)


def invoice(organization: Organization, number: int) -> Invoice:
    return Invoice(
        organization=organization,
        stripe_id=f"in_{number}",
        number=f"00{number}",
        status="paid",
        currency="usd",
        total=number,
        amount_due=number,
        issued_at=NOW,
    )


@pytest.fixture
def owner(org: Organization, invoices: list[int]) -> User:
    return make_user("owner", "operator", white_label=org.white_label)


@pytest.fixture
def client(owner: User, settings: Any) -> Client:
    """Return a client whose session lasts as long as the tests move the clock."""
    settings.SESSION_IDLE = settings.SESSION_LONGEST = timedelta(days=60)
    return signed_in(owner)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def start(client: Client, url: str = URL) -> Export:
    """Follow the link of a table that is too large for an answer."""
    answer = client.get(url)
    export = Export.objects.latest("pk")
    assert (answer.status_code, answer["Location"]) == (303, f"/exports/{export.pk}/")
    return export


def finish(export: Export) -> Export:
    """Do the tasks of an export until it has ended."""
    for _ in range(20):
        tasks.write_export(export.pk)
        export = Export.objects.get(pk=export.pk)
        if not export.is_unfinished:
            break
    return export


def content(client: Client, export: Export, kind: str = "csv") -> bytes:
    answer: Any = client.get(f"/exports/{export.pk}/file/?format={kind}")
    assert answer.status_code == 200, answer.content
    data = bytes(answer.getvalue())
    assert int(answer["Content-Length"]) == len(data)
    return data


def ids_in(data: bytes) -> list[str]:
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    return [row["stripe_id"] for row in rows]


EVERY_ID = [f"in_{number}" for number in reversed(range(ROWS))]


@pytest.mark.parametrize("path", [URL, f"/api/v1{URL}"])
def test_no_other_site_starts_an_export(client: Client, path: str) -> None:
    answer = client.get(path, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert not Export.objects.exists()


# --- writing -------------------------------------------------------------------------


def test_a_large_table_becomes_the_same_file_in_parts(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query in ("", "?for=excel"):
        monkeypatch.setattr(contents, "MAX_ROWS", 5)
        export = start(client, URL + query)
        assert Export.objects.get(pk=export.pk).state == "pending"  # before a message
        export = finish(export)
        monkeypatch.setattr(contents, "MAX_ROWS", 50)
        at_once: Any = client.get(URL + query)
        data = content(client, export)

        assert data == at_once.getvalue()
        assert export.parts.count() == 5  # the header, and 11 rows of 3 a part
        assert export.size == len(data)
        assert export.sha256 == hashlib.sha256(data).hexdigest()
        assert (export.rows_total, export.rows_done, export.rows) == (11, 11, 11)


def test_an_archive_has_the_file_and_its_manifest(client: Client) -> None:
    export = finish(start(client, f"{URL}?from=2026-01-01"))
    data = content(client, export, "csv")

    archive = zipfile.ZipFile(io.BytesIO(content(client, export, "zip")))
    manifest = json.loads(archive.read("manifest.json"))

    assert archive.testzip() is None
    assert archive.namelist() == ["invoices.csv", "manifest.json"]
    assert archive.read("invoices.csv") == data
    assert manifest == json.loads(content(client, export, "manifest"))
    assert manifest["sha256"] == hashlib.sha256(data).hexdigest()
    assert (manifest["rows"], manifest["bytes"]) == (ROWS, len(data))
    assert manifest["parameters"] == {"from": "2026-01-01"}
    assert manifest["rows_left_out"] == 0


def test_a_file_has_an_entity_tag(client: Client) -> None:
    export = finish(start(client))
    tag = client.get(f"/exports/{export.pk}/file/")["ETag"]

    again = client.get(f"/exports/{export.pk}/file/", headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")
    assert export.sha256 in tag


def test_a_slice_ends_with_a_part_and_shows_the_progress(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SLICE", timedelta())
    export = start(client)
    seen = []

    for _ in range(5):
        tasks.write_export(export.pk)
        export = Export.objects.get(pk=export.pk)
        seen.append((export.rows_done, export.percent, export.state))

    assert seen == [
        (3, 27, "pending"),
        (6, 54, "pending"),
        (9, 81, "pending"),
        (11, 99, "pending"),
        (11, 100, "done"),
    ]
    assert export.attempts == 1  # slices are no attempts
    assert ids_in(content(client, export)) == EVERY_ID


class Killed(BaseException):
    """The end of a process: nothing catches it."""


def kill_after(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End the worker in the transaction of a part, before its progress is saved."""
    save, left = writing._save_progress, [parts]

    def save_or_die(export: Export) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        save(export)

    monkeypatch.setattr(writing, "_save_progress", save_or_die)


def die(export: Export, parts: int) -> Export:
    with pytest.MonkeyPatch.context() as patch:
        kill_after(parts, patch)
        with pytest.raises(Killed):
            tasks.write_export(export.pk)
    return Export.objects.get(pk=export.pk)


def test_a_killed_worker_leaves_neither_a_missing_nor_a_doubled_row(
    client: Client, org: Organization, frozen: time_machine.Traveller
) -> None:
    export = die(start(client), 3)  # the list of the rows, and two parts
    assert (export.state, export.rows_done) == ("running", 6)
    tasks.write_export(export.pk)  # its lease is not over
    assert Export.objects.get(pk=export.pk).rows_done == 6
    invoice(org, 99).save()  # after the rows were listed
    Invoice.objects.filter(stripe_id="in_0").delete()  # in a part that is to come
    Invoice.objects.filter(stripe_id="in_10").delete()  # in one that is written

    frozen.shift(HOUR)
    assert list_forgotten(Export.objects.all(), 9) == [export.pk]
    export = finish(export)

    assert ids_in(content(client, export)) == EVERY_ID[:-1]
    assert export.manifest
    assert export.manifest["rows"] == export.rows == ROWS - 1
    assert export.manifest["rows_left_out"] == 1


def test_a_computed_table_starts_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, frozen: time_machine.Traveller
) -> None:
    monkeypatch.setattr(contents, "MAX_ROWS", -1)
    for _ in range(4):
        export = finish(start(client))
    export = die(start(client, "/tables/exports.csv"), 2)
    assert export.rows_done == 3

    frozen.shift(HOUR)
    export = finish(export)

    assert export.state == "done"
    rows = content(client, export).decode().splitlines()
    assert len(rows) == 1 + export.rows == 6  # with itself


@pytest.mark.parametrize("slug", ["cost-lines", "day-events", "history"])
def test_a_table_that_is_read_in_pages_goes_on_where_it_ended(
    slug: str,
    org: Organization,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    frozen: time_machine.Traveller,
) -> None:
    make_rate(org.white_label, "0.01")
    times = [NOW - timedelta(days=n % 3, minutes=n) for n in range(9)]
    record(
        org.white_label,
        [event(f"e-{n}", timestamp=str(at)) for n, at in enumerate(times)],
        organization_id=org.pk,
    )
    monkeypatch.setattr(cost_lines, "_DAYS_AT_ONCE", 1)
    monkeypatch.setattr(event_tables, "_EVENTS_AT_ONCE", 2)
    monkeypatch.setattr(history_tables, "_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(contents, "MAX_ROWS", 1)
    url = f"/organizations/{org.pk}/tables/{slug}.csv"
    export = die(start(client, url), 2)
    assert export.rows_done

    frozen.shift(HOUR)
    export = finish(export)
    monkeypatch.setattr(contents, "MAX_ROWS", 50)
    at_once: Any = client.get(url)

    assert content(client, export) == at_once.getvalue()
    assert export.rows == export.rows_total
    assert export.rows > 2
    assert export.parts.count() > 2


def test_a_worker_that_dies_each_time_fails_the_export(
    client: Client, frozen: time_machine.Traveller
) -> None:
    export = start(client)
    for _ in range(Export.retries.attempts):
        export = die(export, 0)
        frozen.shift(HOUR)

    export = finish(export)

    assert (export.state, export.error_code) == ("failed", "worker_died")
    assert not export.parts.exists()
    page = client.get(f"/exports/{export.pk}/").content.decode()
    assert 'data-state="failed"' in page
    assert export.error in page


def test_an_error_is_tried_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, frozen: time_machine.Traveller
) -> None:
    export = start(client)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "read_batches", lambda *_: 1 // 0)
        tasks.write_export(export.pk)
    waiting = Export.objects.get(pk=export.pk)
    assert (waiting.state, waiting.error_code) == ("pending", "unexpected")

    frozen.shift(HOUR)

    assert finish(export).state == "done"


def test_a_file_that_gets_too_large_fails(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_SIZE", 1_000)

    export = finish(start(client))

    assert (export.state, export.error_code) == ("failed", "export_too_large")
    assert not export.parts.exists()


@pytest.mark.parametrize("loss", ["role", "white_label", "active"])
def test_a_file_is_not_written_for_someone_who_may_no_longer_read_it(
    client: Client, owner: User, loss: str
) -> None:
    export = start(client)
    if loss == "role":
        owner.groups.clear()
    elif loss == "white_label":
        owner.white_label = WhiteLabel.objects.get(slug="decoy")
    else:
        owner.is_active = False
    owner.save()

    export = finish(export)

    assert export.state == "failed"
    assert not export.parts.exists()


# --- requests ------------------------------------------------------------------------


def test_the_same_rows_are_not_exported_twice_at_a_time(client: Client) -> None:
    first = start(client, f"{URL}?status=paid")

    assert start(client, f"{URL}?status=paid&format=zip") == first
    assert start(client, f"{URL}?status=paid&for=excel") != first
    finish(first)
    assert start(client, f"{URL}?status=paid").pk > first.pk


def test_a_person_has_few_exports_at_a_time(client: Client, org: Organization) -> None:
    for day in range(1, 1 + requests.MAX_UNFINISHED):
        start(client, f"{URL}?from=2026-01-0{day}")

    refused = client.get(f"{URL}?from=2026-02-01")
    other = signed_in(make_user("other", "viewer", white_label=org.white_label))

    assert refused.status_code == 409
    assert Export.objects.count() == requests.MAX_UNFINISHED
    start(other)


def test_a_canceled_export_stops_and_can_be_exported_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SLICE", timedelta())
    export = start(client)
    tasks.write_export(export.pk)

    answer = client.post(f"/exports/{export.pk}/cancel/")
    export = finish(export)

    assert answer["Location"] == f"/exports/{export.pk}/"
    assert export.state == "canceled"
    assert not export.parts.exists()
    assert client.post(f"/exports/{export.pk}/cancel/").status_code == 409
    assert client.get(f"/exports/{export.pk}/file/").status_code == 409
    again = client.post(f"/exports/{export.pk}/again/")
    copy = finish(Export.objects.latest("pk"))
    assert again["Location"] == f"/exports/{copy.pk}/"
    assert ids_in(content(client, copy)) == EVERY_ID


def test_a_cancellation_while_a_part_is_read_keeps_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = start(client)
    read = batches.read_batches

    def read_and_cancel(*given: Any) -> Any:
        for batch in read(*given):
            yield batch
            requests.cancel_export(export)

    monkeypatch.setattr(writing, "read_batches", read_and_cancel)
    tasks.write_export(export.pk)

    assert Export.objects.get(pk=export.pk).state == "canceled"
    assert not ExportPart.objects.exists()


def test_an_export_is_deleted_with_its_file(client: Client) -> None:
    export = start(client)
    assert client.post(f"/exports/{export.pk}/delete/").status_code == 409
    finish(export)

    assert client.post(f"/exports/{export.pk}/delete/")["Location"] == "/exports/"

    assert not Export.objects.exists()
    assert not ExportPart.objects.exists()
    assert client.get(f"/exports/{export.pk}/").status_code == 404


def test_files_expire_and_later_their_rows(
    client: Client, frozen: time_machine.Traveller
) -> None:
    export = finish(start(client))
    assert export.expires_at == timezone.now() + timedelta(days=7)
    tasks.delete_expired_exports()
    content(client, export)

    frozen.shift(timedelta(days=7, minutes=1))
    client.force_login(User.objects.get(username="owner"))
    before = client.get(f"/exports/{export.pk}/file/")
    tasks.delete_expired_exports()

    assert before.status_code == 410
    assert client.get(f"/exports/{export.pk}/file/").status_code == 410
    assert client.get(f"/exports/{export.pk}/").status_code == 200
    assert not ExportPart.objects.exists()
    frozen.shift(timedelta(days=31))
    tasks.delete_expired_exports()
    assert not Export.objects.exists()


# --- rights and pages ----------------------------------------------------------------


def test_only_the_owner_sees_an_export(client: Client, org: Organization) -> None:
    export = finish(start(client))
    decoy = WhiteLabel.objects.get(slug="decoy")
    others = [
        make_user("colleague", "operator", white_label=org.white_label),
        make_user("stranger", "operator", white_label=decoy),
        make_user("root", "operator"),
    ]

    for other in others:
        for path in ("", "file/"):
            answer = signed_in(other).get(f"/exports/{export.pk}/{path}")
            assert answer.status_code == 404
        for path in ("cancel/", "delete/", "again/"):
            answer = signed_in(other).post(f"/exports/{export.pk}/{path}")
            assert answer.status_code == 404
        assert "data-export=" not in signed_in(other).get("/exports/").content.decode()
        rows = signed_in(other).get("/tables/exports.csv")
        assert b"invoices" not in bytes(rows.getvalue())
    assert Client().get(f"/exports/{export.pk}/file/").status_code == 302


@pytest.mark.parametrize(("loss", "status"), [("role", 403), ("white_label", 404)])
def test_a_file_is_not_sent_to_someone_who_may_no_longer_read_it(
    client: Client, owner: User, loss: str, status: int
) -> None:
    export = finish(start(client))
    if loss == "role":
        owner.groups.clear()
    else:
        owner.white_label = WhiteLabel.objects.get(slug="decoy")
        owner.save()

    assert client.get(f"/exports/{export.pk}/file/").status_code == status


def test_a_file_with_columns_that_are_no_longer_allowed_is_not_sent(
    client: Client, owner: User, org: Organization
) -> None:
    for number in range(6):
        make_organization(org.white_label, f"more-{number}")
    export = finish(start(client, "/organizations.csv"))
    assert b"cost_30_days" in content(client, export)
    owner.groups.clear()
    owner.user_permissions.add(Permission.objects.get(codename="view_organization"))

    other = signed_in(User.objects.get(pk=owner.pk))
    assert other.get(f"/exports/{export.pk}/file/").status_code == 403


def test_pages_poll_only_while_an_export_is_unfinished(client: Client) -> None:
    export = start(client)
    pages = ("/exports/", f"/exports/{export.pk}/")
    for page in pages:
        html = client.get(page).content.decode()
        assert f'hx-get="{page}"' in html
        assert 'http-equiv="refresh"' in html

    finish(export)

    for page in pages:
        html = client.get(page).content.decode()
        assert f'hx-get="{page}"' not in html
        assert 'http-equiv="refresh"' not in html
        assert f'href="/exports/{export.pk}/file/"' in html
        assert 'data-state="done"' in html


def test_the_list_takes_as_many_queries_for_many_exports(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    export = start(client)
    copies = (
        Export(
            user_id=export.user_id,
            organization=Organization.objects.first(),
            white_label_ids=export.white_label_ids,
            table="invoices",
            title="Invoices",
            file_name="invoices.csv",
        )
        for _ in range(30)
    )
    Export.objects.bulk_create(copies)

    with django_assert_max_num_queries(6):
        page = client.get("/exports/").content.decode()

    assert page.count("data-export=") == 31


def test_a_poll_gets_only_its_part(client: Client) -> None:
    export = start(client)

    part = client.get(f"/exports/{export.pk}/", headers={"HX-Request": "true"})

    assert part.content.decode().lstrip().startswith("<section")
