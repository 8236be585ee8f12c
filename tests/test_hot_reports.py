"""Reporting usage by the hot door: what Django says, or left to Django untouched."""

import gzip
from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
import pytest
from django.apps import apps
from django.core.handlers.wsgi import WSGIHandler
from pytest_django import DjangoAssertNumQueries

from config import hot
from metrics.models import UsageEvent
from orgs.models import ApiKey, Organization, Project, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_key,
    make_organization,
    make_rate,
    make_white_label,
    usage_of,
)
from tests.wsgi import HOT, Answer, asked, environ, keep_connection, left, post

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
PATH = "/api/v1/usage/events"
NEW = [event("a"), event("b", product="x:y", quantities={"gpu_seconds": 7})]


@pytest.fixture(autouse=True)
def _connection_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_connection(monkeypatch)


@pytest.fixture
def key(acme: WhiteLabel, org: Organization) -> str:
    text = make_key(acme, "usage:write")
    noted()
    return text


def noted() -> None:
    """A key's first use in a minute is noted by Django."""
    ApiKey.objects.update(last_used_at=NOW)


def report(key: str, events: Any = NEW, **more: Any) -> dict[str, Any]:
    return post(PATH, key, orjson.dumps(events), **more)


def told_twice(key: str, events: Any) -> Iterator[Answer]:
    """What Django says, and what the hot door says to the same with other ids."""
    yield asked(WSGIHandler(), report(key, events))
    others = [{**one, "id": f"{one['id']}-2"} for one in events]
    yield asked(HOT, report(key, others))


def test_a_report_is_answered_as_django_answers(key: str, org: Organization) -> None:
    django, hot_door = told_twice(key, NEW)

    assert django[::2] == ("200 OK", b'{"accepted":2,"duplicates":0,"rejected":[]}')
    assert hot_door == django
    assert usage_of(org, "product", "quantity") == [("gpt", 10), ("x:y", 14)]


def test_repeats_and_refusals_of_the_hot_door(key: str, org: Organization) -> None:
    make_organization(make_white_label("strange"), "org-9")
    events = [NEW[0], NEW[0], event("lost", organization="org-9"), NEW[1]]

    django, hot_door = told_twice(key, events)

    assert hot_door == django
    assert orjson.loads(hot_door[2]) == {
        "accepted": 2,
        "duplicates": 1,
        "rejected": [
            {"index": 2, "code": "organization_not_found",
             "message": "No such organization."}
        ],
    }  # fmt: skip
    again = asked(HOT, report(key, NEW))
    assert again[2] == b'{"accepted":0,"duplicates":2,"rejected":[]}'
    assert usage_of(org, "product", "quantity") == [("gpt", 10), ("x:y", 14)]


def test_a_key_of_one_organization_reports_for_it_alone(
    acme: WhiteLabel, org: Organization
) -> None:
    make_organization(acme, "org-8")
    own = make_key(acme, "usage:write", organization=org)
    noted()
    events = [event("a"), event("b", organization="org-8")]
    unnamed = {name: value for name, value in event("c").items()
               if name != "organization"}  # fmt: skip

    django, hot_door = told_twice(own, [*events, unnamed])

    assert hot_door == django
    assert hot_door[2].startswith(
        b'{"accepted":2,"duplicates":0,"rejected":[{"index":1'
    )
    assert usage_of(org, "quantity") == [(20,)]


def made_by(project: Project) -> dict[str, Any]:
    """Who made it, as history knows."""
    versions = apps.get_model("orgs", "ProjectEvent")
    found: dict[str, Any] = versions._default_manager.get(
        pgh_obj_id=project.pk
    ).pgh_context.metadata
    return found


def test_a_project_made_on_the_way_has_the_same_history(
    key: str, org: Organization
) -> None:
    asked(WSGIHandler(), report(key, [event("a", project="web")]))
    asked(HOT, report(key, [event("b", project="api")]))

    contexts = [made_by(project) for project in Project.objects.order_by("pk")]
    assert contexts == [{"user": None, "url": PATH, "request_id": "r-1"}] * 2


def test_an_answer_and_history_have_one_id_where_none_was_sent(
    key: str, org: Organization
) -> None:
    events = [event("a", project="web")]
    _, headers, _ = asked(HOT, report(key, events, HTTP_X_REQUEST_ID="no good"))

    made = made_by(Project.objects.get())
    assert len(headers["X-Request-ID"]) == 32
    assert made["request_id"] == headers["X-Request-ID"]


@pytest.mark.parametrize(
    "sent",
    [
        {"events": []},
        {"events": {"id": "a"}},
        {"events": [event("a", quantities={})]},
        {"events": [event("a", surprise=1)]},
        {"events": [event("a", timestamp="2026-11-21T11:00:00")]},
        {"CONTENT_TYPE": "application/x-ndjson"},
        {"CONTENT_TYPE": "text/plain"},
        {"CONTENT_TYPE": "application/json; charset=latin-1"},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "0"},
        {"CONTENT_LENGTH": "-1"},
        {"CONTENT_LENGTH": "many"},
        {"CONTENT_LENGTH": str((16 << 20) + 1)},
        {"HTTP_CONTENT_ENCODING": "gzip"},
        {"QUERY_STRING": "a=1&a=2"},
        {"PATH_INFO": f"{PATH}/"},
        {"REQUEST_METHOD": "PUT"},
        {"REQUEST_METHOD": "GET"},
        {"HTTP_HOST": "evil.example"},
    ],
    ids=repr,
)
def test_what_is_not_plain_is_left_to_django(key: str, sent: dict[str, Any]) -> None:
    assert left(partial(asked, HOT, report(key, **sent)))
    assert not UsageEvent.objects.exists()


def test_more_than_is_taken_is_left_to_django(key: str) -> None:
    events = [event(f"e-{n}") for n in range(10_001)]
    assert left(partial(asked, HOT, report(key, events)))


def test_django_reads_the_body_the_hot_door_has_read(key: str) -> None:
    through = hot.HotDoors(WSGIHandler())
    events = [event("a"), event("b", surprise=1)]

    status, _, body = asked(through, report(key, events))

    told = orjson.loads(body)
    assert (status, told["accepted"]) == ("200 OK", 1)
    assert told["rejected"][0]["code"] == "unknown_field"


def test_packed_events_come_through_django(key: str) -> None:
    packed = gzip.compress(orjson.dumps(NEW))
    call = post(PATH, key, packed, HTTP_CONTENT_ENCODING="gzip")
    assert asked(hot.HotDoors(WSGIHandler()), call)[2].startswith(b'{"accepted":2')


def test_who_may_not_report_is_left_to_django(
    acme: WhiteLabel, org: Organization
) -> None:
    keys = {
        "nobody's": "",
        "unknown": "ei_x",
        "narrow": make_key(acme, "billing:read", "organizations:write"),
        "revoked": make_key(acme, "usage:write"),
    }
    noted()
    ApiKey.objects.filter(pk=ApiKey.objects.latest("pk").pk).update(revoked_at=NOW)
    keys["not used lately"] = make_key(acme, "usage:write")
    for name, key in keys.items():
        assert left(partial(asked, HOT, report(key))), name
    assert not UsageEvent.objects.exists()


def test_a_report_too_many_is_left_to_django(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgs.access.limits.KEY_CALLS_A_MINUTE", 2)
    for n in range(2):
        assert asked(HOT, report(key, [event(f"e-{n}")]))[0] == "200 OK"

    assert left(lambda: asked(HOT, report(key)))
    through = hot.HotDoors(WSGIHandler())
    assert asked(through, report(key))[0] == "429 Too Many Requests"


def test_a_recording_that_breaks_is_tried_by_django(
    key: str, org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot, "recorded_body", lambda *_: 1 // 0)
    through = hot.HotDoors(WSGIHandler())
    assert asked(through, report(key))[2].startswith(b'{"accepted":2')
    assert usage_of(org, "product", "quantity") == [("gpt", 5), ("x:y", 7)]


def test_a_report_takes_as_few_queries(
    acme: WhiteLabel, key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_rate(acme, "2")
    asked(HOT, report(key))
    with django_assert_num_queries(11):
        asked(HOT, report(key, [event("c")]))


def test_other_paths_are_not_read(key: str) -> None:
    call = environ(PATH, key, REQUEST_METHOD="OPTIONS")
    assert left(partial(asked, HOT, call))
