"""POST /api/v1/usage/events: events are checked one by one, and counted once."""

import gzip
from typing import Any

import orjson
import pytest
from django.apps import apps
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from orgs.models import ApiKey, Organization, Project, WhiteLabel
from tests.factories import (
    NOW,
    delete,
    event,
    make_key,
    make_organization,
    make_rate,
    make_user,
    usage_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
URL = "/api/v1/usage/events"
JSON, NDJSON = "application/json", "application/x-ndjson"


@pytest.fixture
def key(acme: WhiteLabel) -> str:
    return make_key(acme, "usage:write")


def send(key: str, body: Any, *, content_type: str = JSON, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    sent = {"authorization": f"Bearer {key}", **headers}
    names = {name.replace("_", "-"): value for name, value in sent.items()}
    return Client().post(URL, raw, content_type=content_type, headers=names)


def code(response: Any) -> str:
    [error] = response.json()["errors"]
    return str(error["code"])


def test_events_sent_twice_are_recorded_once(key: str, org: Organization) -> None:
    body = [event("a"), event("b", quantities={"requests": 7})]

    assert send(key, body).json() == {"accepted": 2, "duplicates": 0, "rejected": []}
    assert send(key, body).json() == {"accepted": 0, "duplicates": 2, "rejected": []}
    assert usage_of(org, "quantity") == [(12,)]


def test_invalid_event_does_not_affect_the_others(key: str, org: Organization) -> None:
    body = [event("a"), {"id": 1}, event("b", quantities={"requests": -1}), event("c")]

    answer = send(key, body).json()

    assert answer["accepted"] == 2
    assert [(r["index"], r["code"]) for r in answer["rejected"]] == [
        (1, "invalid_id"),
        (2, "invalid_quantities"),
    ]
    assert usage_of(org, "quantity") == [(10,)]


def test_same_id_and_timestamp_with_other_contents_is_a_conflict(
    key: str, org: Organization
) -> None:
    send(key, [event("a")])

    answer = send(key, [event("a", product="other"), event("b")]).json()

    assert answer["accepted"] == 1
    assert [(r["index"], r["code"]) for r in answer["rejected"]] == [
        (0, "event_conflict")
    ]
    assert usage_of(org, "product", "quantity") == [("gpt", 10)]


def test_ndjson_and_gzip_are_accepted(key: str, org: Organization) -> None:
    lines = b"\n".join(orjson.dumps(event(f"e{n}")) for n in range(3)) + b"\n\n"

    response = send(
        key, gzip.compress(lines), content_type=NDJSON, content_encoding="gzip"
    )

    assert response.json()["accepted"] == 3
    assert usage_of(org, "quantity") == [(15,)]


def _members(*sizes: int, first: int = 0) -> list[bytes]:
    """Return NDJSON of new events as gzip members of so many events each."""
    members = []
    for size in sizes:
        lines = [orjson.dumps(event(f"m{n}")) for n in range(first, first + size)]
        members.append(gzip.compress(b"\n".join(lines) + b"\n"))
        first += size
    return members


@pytest.mark.parametrize("sizes", [(3, 4), (1,) * 50, (0, 2, 0, 5, 0)])
def test_every_member_of_a_gzip_body_is_read(
    key: str, org: Organization, sizes: tuple[int, ...]
) -> None:
    body = b"".join(_members(*sizes))

    response = send(key, body, content_type=NDJSON, content_encoding="gzip")

    assert response.json()["accepted"] == sum(sizes)
    assert usage_of(org, "quantity") == [(5 * sum(sizes),)]


@pytest.mark.parametrize(
    "rest",
    [b"{}", b"\x00", b"\n", b"\x1f\x8b", _members(1, first=9)[0][:-1], b"x" * 200_000],
)
def test_bytes_after_the_last_gzip_member_are_refused(
    key: str, org: Organization, rest: bytes
) -> None:
    body = _members(3)[0] + rest

    response = send(key, body, content_type=NDJSON, content_encoding="gzip")

    assert (response.status_code, code(response)) == (400, "invalid_body")
    assert usage_of(org, "quantity") == []


def test_the_size_limit_holds_for_the_sum_of_the_gzip_members(key: str) -> None:
    half = gzip.compress(b" " * (9 << 20))

    response = send(key, half + half, content_encoding="gzip")

    assert (response.status_code, code(response)) == (413, "too_large")


def test_a_gzip_body_of_very_many_empty_members_is_refused(key: str) -> None:
    response = send(key, gzip.compress(b"") * 10_001, content_encoding="gzip")

    assert (response.status_code, code(response)) == (400, "invalid_body")


def test_key_of_one_organization_cannot_report_for_another(acme: WhiteLabel) -> None:
    other = make_organization(acme, "org-11")
    key = make_key(acme, "usage:write", organization=other)
    unnamed = {k: v for k, v in event("b").items() if k != "organization"}

    answer = send(key, [event("a"), unnamed]).json()

    assert answer["accepted"] == 1
    assert [r["code"] for r in answer["rejected"]] == ["organization_not_found"]
    assert usage_of(other, "quantity") == [(5,)]


def test_key_of_a_deleted_organization_reports_earlier_usage_and_nothing_else(
    acme: WhiteLabel, org: Organization
) -> None:
    scopes = ("usage:write", "organizations:read", "billing:read")
    key = make_key(acme, *scopes, organization=org)
    reader = make_key(acme, "organizations:read", organization=org)
    delete(org)
    later = event("b", timestamp="2026-11-21T12:00:01Z")

    answer = send(key, [event("a"), later]).json()

    assert answer["accepted"] == 1
    assert [r["code"] for r in answer["rejected"]] == ["organization_deleted"]
    client = Client(headers={"x-api-key": key})
    for path in (
        "/api/v1/organizations",
        f"/api/v1/organizations/{org.pk}?includeDeleted=true",
        f"/api/v1/organizations/{org.pk}/access",
        f"/api/v1/billing/costs/{org.pk}/charts",
        "/v1/orgs/current",
    ):
        assert client.get(path).status_code == 403, path
    assert send(reader, [event("c")]).status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (b"[]", 400, "invalid_body"),
        (b"null", 400, "invalid_body"),
        (b'{"id": "a"}', 400, "invalid_body"),
        (b"[1,", 400, "invalid_body"),
        (b"\xff\xfe[", 400, "invalid_body"),
        (b"[" + b"1," * 10_000 + b"1]", 413, "too_large"),
        (b"[" + b"[" * 5_000 + b"]" * 5_001, 400, "invalid_body"),
    ],
)
def test_body_that_is_not_a_batch_is_rejected(
    key: str, body: bytes, status: int, expected: str
) -> None:
    response = send(key, body)

    assert (response.status_code, code(response)) == (status, expected)


def test_unsupported_type_or_encoding_is_a_415(key: str) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        assert send(key, b"[]", content_type=content_type).status_code == 415
    assert send(key, b"[]", content_encoding="br").status_code == 415
    utf16 = "application/json; charset=utf-16"
    assert send(key, b"[]", content_type=utf16).status_code == 415


def test_decompression_stops_at_the_size_limit(key: str) -> None:
    bomb = gzip.compress(b"[" + b" " * (17 << 20) + b"]")

    assert len(bomb) < 100_000
    response = send(key, bomb, content_encoding="gzip")
    assert (response.status_code, code(response)) == (413, "too_large")


def test_body_above_the_limit_of_django_is_accepted(
    key: str, org: Organization
) -> None:
    padding = " " * 3_000_000

    body = b"[" + padding.encode() + orjson.dumps(event("a")) + b"]"

    assert send(key, body).json()["accepted"] == 1


def test_duplicate_json_key_is_rejected(key: str, org: Organization) -> None:
    raw = orjson.dumps(event("a")).replace(b'"id":"a"', b'"id":"a", "id" : "b"')

    answer = send(key, b"[" + raw + b"]").json()

    assert [r["code"] for r in answer["rejected"]] == ["duplicate_key"]
    assert usage_of(org, "quantity") == []


def test_scope_and_a_single_white_label_are_required(acme: WhiteLabel) -> None:
    reader = make_key(acme, "organizations:read", "billing:write")
    response = send(reader, [event()])
    assert (response.status_code, code(response)) == (
        403,
        "organization.invalid_access",
    )

    client = Client()
    client.force_login(make_user("root", is_superuser=True))
    response = client.post(URL, b"[]", content_type=JSON)
    assert response.status_code == 403


PLAIN = (
    '"organization":"org-7","timestamp":"2026-11-21T11:00:00Z","product":"gpt",'
    '"quantities":{"requests":5}}'
)


@pytest.mark.parametrize(
    ("duplicate", "valid"),
    [
        ('{"id":"a","id":"b",', '{"id":"c",'),
        # Duplicates are detected by counting colons after quotes: white space and
        # quoted text must not change the result.
        ('{"id":"a","id" :"b",', '{"id":"c",'),
        ('{"id" :"a","id":"b",', '{"id" :"c",'),
        ('{"id":"a","id":"b",', '{"id" :"c",'),
        ('{"id":"a","id"\n:"b",', '{"id":"c",'),
        ('{"id":"a","id":"b",', r'{"id":"\":",'),
    ],
)
def test_duplicate_json_key_is_detected_in_every_notation(
    key: str, org: Organization, duplicate: str, valid: str
) -> None:
    answer = send(key, f"[{duplicate}{PLAIN},{valid}{PLAIN}]".encode()).json()

    assert answer["accepted"] == 1
    assert [(r["index"], r["code"]) for r in answer["rejected"]] == [
        (0, "duplicate_key")
    ]


def test_unusual_spacing_and_escapes_are_accepted(key: str, org: Organization) -> None:
    escaped = r'{"id":"a \": b\":c",' + PLAIN
    spaced = f'{{"id" : "b",{PLAIN}'.replace(",", " ,\n ").replace(":{", " : {")

    answer = send(key, f" [ {escaped} , {spaced} ] ".encode()).json()

    assert answer == {"accepted": 2, "duplicates": 0, "rejected": []}


def test_batch_costs_a_fixed_number_of_queries(
    acme: WhiteLabel,
    key: str,
    org: Organization,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_rate(acme, "2")
    ApiKey.objects.update(last_used_at=NOW)
    send(key, [event("a")])
    with django_assert_num_queries(12):
        send(key, [event("b")])


@pytest.mark.parametrize("sent", ["r-1", "not an id"])
def test_history_of_a_new_project_has_the_request_id(
    key: str, org: Organization, sent: str
) -> None:
    answer = send(key, [event("a", project="web")], x_request_id=sent)

    versions = apps.get_model("orgs", "ProjectEvent")._default_manager
    version = versions.get(pgh_obj_id=Project.objects.get().pk)
    key_row = ApiKey.objects.get()
    context = version.pgh_context.metadata
    assert context.pop("client_request_id", "") == ("r-1" if sent == "r-1" else "")
    assert context.pop("api_key_name").startswith(f"{key_row.name} (")
    assert context == {
        "user": None, "url": URL, "request_id": answer["X-Request-ID"],
        "api_key": key_row.pk, "username": f"key {key_row.pk}",
    }  # fmt: skip


def test_key_has_a_rate_limit(
    key: str, org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgs.access.limits.KEY_CALLS_PER_MINUTE", 2)
    statuses = [send(key, [event(f"e-{n}")]).status_code for n in range(3)]
    assert statuses == [200, 200, 429]
