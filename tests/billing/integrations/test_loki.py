"""Lines in Loki: history, invoices, alerts and access changes, each once, in order."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest
import time_machine
from django.db import connection
from pytest_django import Settings

from billing.integrations.queries import lines
from billing.models import Alert, Invoice
from metrics.commands import push_runs
from metrics.commands.integrations import IncomingTarget, set_integrations
from metrics.models import Push
from orgs.models import Organization
from orgs.networks import read_networks
from tests.factories import NOW, make_rate
from tests.support.alerts import evaluate, limit, use
from tests.support.loki import Loki
from tests.support.receivers import Receiver, answer, receiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
_MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Receiver]:
    with receiver(answer()) as running:
        yield running


@pytest.fixture
def loki(server: Receiver, settings: Settings) -> Loki:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("127.0.0.0/8")
    server.script = loki = Loki(int(NOW.timestamp()) * 10**9)
    server.requests.clear()
    return loki


@pytest.fixture
def push(org: Organization, server: Receiver, loki: Loki) -> Push:
    """Return the push of an integration that was set a moment ago."""
    set_integrations(org.pk, {"loki": IncomingTarget("5", server.url, "secret")})
    push_runs.run_pushes()
    return Push.objects.get()


def push_again(push: Push, clock: time_machine.Traveller) -> None:
    clock.shift(_MINUTE)
    push_runs.run_pushes()
    push.refresh_from_db()


def real_now() -> datetime:
    """Return the instant of the transaction, which no test stops."""
    with connection.cursor() as cursor:
        cursor.execute("select now()")
        [at] = cursor.fetchone()
    return cast("datetime", at)


def make_alert(org: Organization, number: int, **values: object) -> Alert:
    return Alert.objects.create(
        organization=org,
        kind="soft_limit",
        threshold=Decimal(number),
        period="1",
        billing_period=1,
        facts={},
        **values,
    )


def test_what_happens_is_pushed_as_lines(
    org: Organization,
    loki: Loki,
    push: Push,
    server: Receiver,
    frozen: time_machine.Traveller,
) -> None:
    assert server.requests == []  # what happened before it was set is not pushed
    frozen.shift(_MINUTE / 2)
    make_rate(org.white_label, "10")
    limit(org, "hard", "20")
    use(org.white_label, 3)
    evaluate(org)
    Invoice.objects.create(
        organization=org,
        stripe_id="in_1",
        number="A-1",
        status="open",
        currency="usd",
        total=Decimal("12.5"),
        amount_due=Decimal("12.5"),
        issued_at=NOW,
    )

    frozen.move_to(real_now() + _MINUTE)  # the history has PostgreSQL's clock
    push_again(push, frozen)

    assert (push.error, push.failures) == ("", 0)
    assert loki.lines.keys() == {"history", "invoices", "alerts", "access"}
    [alert] = loki.lines["alerts"]
    assert (alert["kind"], alert["threshold"]) == ("hard_limit", 20)
    [refused] = loki.lines["access"]
    assert (refused["event"], refused["reason"]) == ("refused", "hard_limit")
    [invoice] = loki.lines["invoices"]
    assert (invoice["number"], invoice["status"]) == ("A-1", "open")
    assert any("imit" in str(line["text"]) for line in loki.lines["history"])
    assert all("secret" not in str(line) for line in loki.lines["history"])

    limit(org, "hard", "50")
    evaluate(org)
    push_again(push, frozen)
    assert [line["event"] for line in loki.lines["access"]] == [
        "refused",
        "lifted",
        "allowed",
    ]
    assert len(loki.lines["alerts"]) == 1
    assert push.items_total == sum(map(len, loki.lines.values()))
    [labels] = {
        (request.headers["authorization"], request.line) for request in server.requests
    }
    assert labels == ("Basic NTpzZWNyZXQ=", "POST /push HTTP/1.1")


def test_a_row_that_is_committed_late_is_sent_and_none_is_sent_twice(
    org: Organization, loki: Loki, push: Push, frozen: time_machine.Traveller
) -> None:
    make_alert(org, 1)
    push_again(push, frozen)
    make_alert(org, 2, reached_at=NOW - _MINUTE)
    push_again(push, frozen)
    push_again(push, frozen)

    assert [line["threshold"] for line in loki.lines["alerts"]] == [1, 2]
    assert loki.lines["alerts"][1]["at"] == (NOW - _MINUTE).isoformat()


def test_days_that_a_target_was_away_are_caught_up(
    org: Organization, loki: Loki, push: Push, frozen: time_machine.Traveller
) -> None:
    for days in (1, 3, 6):
        make_alert(org, days, reached_at=NOW + timedelta(days=days))
    frozen.shift(timedelta(days=7))
    push_again(push, frozen)

    assert [line["threshold"] for line in loki.lines["alerts"]] == [1, 3, 6]
    assert (
        push.cursor["alerts"]["until"]
        == (NOW + timedelta(days=7) + _MINUTE).isoformat()
    )


def test_many_lines_are_sent_in_several_requests(
    loki: Loki,
    push: Push,
    server: Receiver,
    frozen: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "MAX_LINES", 3)
    for number in range(7):
        at = NOW + number * _MINUTE / 10
        make_alert(push.organization, number, reached_at=at)
    push_again(push, frozen)

    sent = [line["threshold"] for line in loki.lines["alerts"]]
    assert sent == list(range(7))
    assert len(server.requests) == 3


def test_lines_wait_for_a_right_token_and_refused_ones_are_dropped(
    org: Organization,
    loki: Loki,
    push: Push,
    server: Receiver,
    frozen: time_machine.Traveller,
) -> None:
    server.script = answer(401, b"invalid token")
    make_alert(org, 1)
    push_again(push, frozen)
    assert (push.failures, push.refused, push.status) == (1, 0, 401)
    assert push.error == "Status 401. invalid token"

    server.script = loki
    set_integrations(org.pk, {"loki": IncomingTarget("5", server.url, "new")})
    push_again(push, frozen)
    assert (push.failures, len(loki.lines["alerts"])) == (0, 1)

    server.script = answer(400, b"timestamp too old")
    make_alert(org, 2)
    push_again(push, frozen)
    assert (push.failures, push.refused > 0) == (1, True)
    server.script = loki
    frozen.shift(10 * _MINUTE)
    push_again(push, frozen)
    assert len(loki.lines["alerts"]) == 1
