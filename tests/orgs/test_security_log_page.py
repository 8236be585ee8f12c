"""The page of the security log: who sees which events, its filters, and its files."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from orgs.commands.sealing import seal_history
from orgs.models import SecurityEvent, User, WhiteLabel
from orgs.queries import security_log
from orgs.security_log import Kind
from orgs.security_log.kinds import DESCRIPTIONS
from orgs.views.security_log import describe
from tests.factories import NOW, make_user
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
LOG, FILE = "/security-log/", "/security-log.csv"


@pytest.fixture
@snapshot
def events(acme: WhiteLabel) -> User:
    """Return an operator of all white labels, beside an event of each kind."""
    operator = make_user("olga", "operator")
    make_user("otto", "operator", white_label=acme)
    make_user("vera", "viewer")
    make_user("root", is_superuser=True)
    SecurityEvent.objects.all().delete()
    SecurityEvent.objects.bulk_create(
        SecurityEvent(
            at=NOW - timedelta(hours=number),
            kind=kind,
            outcome=DESCRIPTIONS[kind].outcome,
            actor_kind="person" if number % 2 else "api_key",
            actor_id=number,
            actor_name=f"actor {number}",
            subject_kind="api_key" if number == 5 else "",
            subject_id=2 if number == 5 else None,
            white_label_id=acme.pk if number < 3 else None,
            address=["192.0.2.7", "192.0.3.7", "2001:db8::7", None][number % 4],
            details={"name": '<b onclick="x">'},
        )
        for number, kind in enumerate(Kind)
    )
    return operator


def shown(client: Client, **query: str) -> list[int]:
    """Return the ids of the actors whose events the page shows."""
    answer = client.get(LOG, query)
    assert answer.status_code == 200
    return [line.event.actor_id for line in answer.context["lines"]]


def test_all_events_are_shown_newest_first_and_escaped(
    client: Client, events: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(events)
    with django_assert_max_num_queries(5):
        answer = client.get(LOG)
    assert shown(client) == list(range(len(Kind)))
    page = answer.content.decode()
    assert "<b onclick" not in page
    assert page.count("data-event=") == len(Kind)
    assert f'href="{reverse("orgs:security_log")}"' in page


FILTERS = [
    ({"kind": "login_failed"}, [1]),
    (
        {"outcome": "failure", "kind": "api_key_refused"},
        [list(Kind).index(Kind.API_KEY_REFUSED)],
    ),
    ({"person": "actor 3"}, [3]),
    ({"person": "actor 4"}, []),
    ({"key": "2"}, [2, 5]),
    ({"address": "192.0.3.0/24", "to": "2026-11-19"}, []),
    ({"address": "2001:db8::/64", "key": "2"}, [2]),
    ({"address": "192.0.2.7", "key": "4"}, [4]),
    ({"from": "2026-11-21", "address": "192.0.2.0/24"}, [0, 4, 8, 12]),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_filters(
    client: Client, events: User, query: dict[str, str], expected: list[int]
) -> None:
    client.force_login(events)
    assert shown(client, **query) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"kind": "nothing"},
        {"outcome": "x"},
        {"from": "yesterday"},
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"address": "300.1.1.1"},
        {"key": "x"},
        {"key": "²"},
        {"cursor": "forged"},
        {"person": "a\x00b"},
    ],
)
def test_a_bad_filter_is_a_400(
    client: Client, events: User, query: dict[str, str]
) -> None:
    client.force_login(events)
    for path in (LOG, FILE):
        answer = client.get(path, query)
        assert answer.status_code == 400 or (path == FILE and "cursor" in query)


def test_pages_continue_without_repeats(
    client: Client, events: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security_log, "PAGE_ROWS", 20)
    SecurityEvent.objects.update(at=NOW)  # ties are broken by the id
    client.force_login(events)
    url, seen = LOG, list[Any]()
    while url:
        context = client.get(url).context
        seen += [line.event.pk for line in context["lines"]]
        url = f"{LOG}{context['next_url']}" if context["next_url"] else ""
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == len(Kind)


def test_a_bound_operator_sees_events_of_the_white_label(
    client: Client, events: User
) -> None:
    client.force_login(User.objects.get(username="otto"))
    assert shown(client) == [0, 1, 2]
    assert shown(client, person="actor 3") == []
    lines = b"".join(_stream(client.get(FILE))).splitlines()
    assert len(lines) == 1 + 3
    assert client.get("/security-log/seals.jsonl").status_code == 403
    assert "data-seals" not in client.get(LOG).content.decode()


def test_others_see_neither_page_nor_link(client: Client, events: User) -> None:
    client.force_login(User.objects.get(username="vera"))
    for path in (LOG, FILE, "/security-log/seals.jsonl"):
        assert client.get(path).status_code == 403
    assert LOG not in client.get("/history/").content.decode()


def _stream(answer: Any) -> Any:
    return answer.streaming_content


def test_files_hold_what_the_filters_select(client: Client, events: User) -> None:
    client.force_login(events)
    SecurityEvent.objects.filter(kind="logout").update(actor_name="=cmd()")
    body = b"".join(_stream(client.get(FILE, {"kind": "logout"}))).decode()
    header, line = body.splitlines()
    assert header.startswith("time,kind,outcome,actor_kind,")
    assert ",'=cmd()," in line

    assert seal_history()
    seals = b"".join(_stream(client.get("/security-log/seals.jsonl"))).decode()
    assert seals.startswith('{"number": 1,')
    assert "data-seals" in client.get(LOG).content.decode()


def test_details_are_one_line() -> None:
    details = {"is_staff": [False, True], "added": ["a", "b"], "none": None, "n": 7}
    assert describe(details) == "is staff: no → yes; added: a, b; n: 7"
