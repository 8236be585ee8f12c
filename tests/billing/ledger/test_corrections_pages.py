"""Tests of the pages of credits, voids and periods: preview, then one change."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from unittest.mock import Mock

import pytest
import redis
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from billing.ledger.commands import credits as ledger
from billing.ledger.commands.periods import close_period, close_period_manually
from billing.ledger.queries.reconciliation import Cause
from billing.models import BillingAccount, BillingPeriod, CreditEntry
from billing.staff import READ_ONLY
from metrics.models import UsageVoid
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    make_user,
    make_white_label,
    period_cost,
    record,
    usage_of,
)
from tests.support.parallel import together
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
HTMX = {"hx-request": "true"}
CREDIT = {"correction": "grant", "kind": "credit", "amount": "7.50", "note": "Outage"}
_BACKEND = "django.core.cache.backends.redis.RedisCache"
PAGES = ("credits", "void", "periods")


def at(organization: Organization, page: str) -> str:
    return f"/organizations/{organization.pk}/{page}/"


@pytest.fixture
@snapshot
def used(acme: WhiteLabel, org: Organization) -> Organization:
    """Record $13 in the open period; the decoy has events with the same ids."""
    make_rate(acme, "0.5")
    make_rate(acme, "0.5", product="claude")
    make_organization(acme, "org-9")
    record(acme, [event("a"), event("b", quantities={"requests": 11})])
    record(acme, [event("c", timestamp="2026-11-19T11:00:00Z", product="claude")])
    record(acme, [event("a", organization="org-9", quantities={"requests": 7})])
    record(
        acme,
        [event("d", timestamp="2026-11-18T11:00:00Z", quantities={"requests": 5})],
    )
    return org


@pytest.fixture
def finance(client: Client, acme: WhiteLabel) -> Client:
    client.force_login(make_user("fin", "finance", white_label=acme, is_staff=False))
    return client


def require_billing_read(username: str, role: str, white_label: WhiteLabel) -> Client:
    client = Client()
    user = make_user(username, role, white_label=white_label, is_staff=False)
    client.force_login(user)
    return client


def fields(response: Any, **more: Any) -> dict[str, Any]:
    """Return the data of a page's form, with its idempotency key."""
    form = response.context["form"]
    return {"idempotency_key": form["idempotency_key"].value(), **more}


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_learns_nothing(page: str, used: Organization) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    stranger = require_billing_read("eve", "operator", decoy)

    assert stranger.get(at(used, page)).status_code == 404
    if page != "periods":
        assert stranger.post(at(used, page), CREDIT).status_code == 404
    assert not CreditEntry.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "support"])
def test_a_reader_sees_the_form_disabled_with_the_reason(
    role: str, used: Organization, acme: WhiteLabel
) -> None:
    reader = require_billing_read("rea", role, acme)

    for page in ("credits", "void"):
        text = reader.get(at(used, page)).content.decode()
        assert '<fieldset class="form" disabled>' in text
        assert READ_ONLY in text
    sent = {
        **CREDIT,
        "idempotency_key": "w",
        "step": "apply",
        "events": "1",
        "event": "a",
    }
    assert reader.post(at(used, "credits"), sent).status_code == 403
    assert reader.post(at(used, "void"), sent).status_code == 403
    assert not CreditEntry.objects.exists()
    assert not UsageVoid.objects.exists()


def test_a_preview_shows_the_new_cost_and_writes_nothing(
    finance: Client, used: Organization
) -> None:
    url = at(used, "credits")
    page = finance.get(url)
    seen = finance.post(url, fields(page, **CREDIT, step="preview"), headers=HTMX)

    assert seen.status_code == 200
    preview = seen.context["preview"]
    assert (preview.before.total, preview.after.total) == (
        Decimal("13.00"),
        Decimal("5.50"),
    )
    assert 'id="credit-apply"' in seen.content.decode()
    assert "$7.50" in seen.content.decode()
    assert "<html" not in seen.content.decode()
    assert not CreditEntry.objects.exists()


def test_a_grant_sent_repeatedly_is_one_entry(
    finance: Client, used: Organization
) -> None:
    url = at(used, "credits")
    sent = fields(finance.get(url), **CREDIT, step="apply")
    answers = [finance.post(url, sent).status_code for _ in range(3)]

    assert answers == [302, 302, 302]
    line = CreditEntry.objects.get()
    assert (line.amount, line.by, line.note) == (Decimal("7.5"), "fin", "Outage")
    assert line.organization == used
    text = finance.get(url).content.decode()
    assert "Outage" in text
    assert "$7.50" in text


@pytest.mark.parametrize("fails", ["away", "flushed"])
def test_a_grant_is_one_line_whatever_becomes_of_the_cache(
    finance: Client, used: Organization, settings: Settings, fails: str
) -> None:
    sent = {**CREDIT, "idempotency_key": "w", "step": "apply"}
    finance.post(at(used, "credits"), sent)
    if fails == "away":
        away = {"LOCATION": "redis://127.0.0.1:9", "BACKEND": _BACKEND}
        settings.CACHES = {"default": away}
    else:
        redis.Redis.from_url(settings.REDIS_URL).flushall()

    assert finance.post(at(used, "credits"), sent).status_code == 302
    assert CreditEntry.objects.get().idempotency_key == "w"


def test_a_form_that_failed_halfway_is_sent_again(
    finance: Client, used: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Repeat a form whose process died before the commit: no row refuses it."""
    sent = {**CREDIT, "idempotency_key": "w", "step": "apply"}
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_append", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            finance.post(at(used, "credits"), sent)
    assert not CreditEntry.objects.exists()

    assert finance.post(at(used, "credits"), sent).status_code == 302
    assert CreditEntry.objects.count() == 1


def test_a_form_with_another_amount_is_refused(
    finance: Client, used: Organization
) -> None:
    sent = {**CREDIT, "idempotency_key": "w", "step": "apply"}
    finance.post(at(used, "credits"), sent)

    assert finance.post(at(used, "credits"), {**sent, "amount": 8}).status_code == 422
    assert CreditEntry.objects.get().amount == Decimal("7.5")


@pytest.mark.usefixtures("committed")
def test_forms_sent_at_once_are_one_line_and_one_period() -> None:
    label = make_white_label()
    org = make_organization(label)
    who: dict[str, Any] = {"note": "why", "by": "ann"}

    def give() -> None:
        amount, once = Decimal(5), ledger.OnceOnly("k")
        ledger.grant_credit(org.pk, kind="credit", amount=amount, once=once, **who)

    def close() -> None:
        close_period_manually(org.pk, key="k", **who)

    together([give, close] * 4)

    assert CreditEntry.objects.count() == 1
    assert BillingPeriod.objects.filter(organization=org).count() == 2


def test_more_than_the_balance_is_refused_and_can_be_sent_again(
    finance: Client, used: Organization
) -> None:
    url = at(used, "credits")
    key = fields(finance.get(url))
    take = {**CREDIT, **key, "correction": "take_back", "step": "apply"}
    refused = finance.post(url, take)

    assert refused.status_code == 422
    assert list(refused.context["form"].errors) == ["amount"]
    finance.post(url, {**CREDIT, "idempotency_key": "other", "step": "apply"})
    assert finance.post(url, {**take, "amount": "2.5"}).status_code == 302
    amounts = CreditEntry.objects.order_by("id").values_list("amount", flat=True)
    assert list(amounts) == [Decimal("7.5"), Decimal("-2.5")]


def test_free_balance_moves_with_its_ledger(
    finance: Client, used: Organization
) -> None:
    sent = {**CREDIT, "kind": "free_balance", "idempotency_key": "w", "step": "apply"}
    finance.post(at(used, "credits"), sent)

    account = BillingAccount.objects.get(organization=used)
    assert account.free_balance == Decimal("7.5")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount", "-1"),
        ("amount", "1e400"),
        ("amount", "NaN"),
        ("amount", ""),
        ("amount", "7.505"),
        ("note", " "),
        ("kind", "gold"),
        ("correction", "keep"),
        ("note", "a\x00b"),
    ],
)
def test_an_invalid_value_is_an_error_of_its_field(
    finance: Client, used: Organization, name: str, value: str
) -> None:
    sent = {**CREDIT, "idempotency_key": "w", "step": "apply", name: value}
    answer = finance.post(at(used, "credits"), sent)

    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [name]
    assert not CreditEntry.objects.exists()


def test_an_event_is_previewed_then_voided_once(
    finance: Client, used: Organization
) -> None:
    url = at(used, "void")
    data = fields(finance.get(url), event="b", note="Sent by a test")
    seen = finance.post(url, {**data, "step": "preview"})
    voiding = seen.context["preview"]

    assert voiding.usage.events == {1: 1}
    assert voiding.usage.open_cost == Decimal("5.5")
    assert (voiding.before.total, voiding.after.total) == (Decimal(13), Decimal("7.5"))
    assert not UsageVoid.objects.exists()

    apply = {**data, "step": "apply", "events": "1"}
    assert [finance.post(url, apply).status_code for _ in range(2)] == [302, 302]
    assert UsageVoid.objects.get().event_id == "b"
    assert usage_of(used, "product", "quantity") == [
        ("gpt", 5),
        ("claude", 5),
        ("gpt", 5),
    ]


def test_a_range_is_half_open_in_the_time_zone_of_the_white_label(
    finance: Client, acme: WhiteLabel, used: Organization
) -> None:
    WhiteLabel.objects.filter(pk=acme.pk).update(time_zone="Asia/Tokyo")
    span = {"start": "2026-11-19T20:00", "end": "2026-11-21T20:00"}
    seen = finance.post(
        at(used, "void"),
        {**span, "note": "x", "idempotency_key": "w", "step": "preview"},
    )

    # c was at 20:00 in Tokyo, a and b at the end of the range.
    assert [line.product for line in seen.context["preview"].usage.lines] == ["claude"]


def test_a_range_whose_events_have_changed_is_previewed_again(
    finance: Client, acme: WhiteLabel, used: Organization
) -> None:
    data = {
        "start": "2026-11-21T00:00",
        "end": "2026-11-22T00:00",
        "note": "x",
        "idempotency_key": "w",
    }
    seen = finance.post(at(used, "void"), {**data, "step": "preview"})
    assert seen.context["events"] == 2
    record(acme, [event("late", quantities={"requests": 2})])
    answer = finance.post(at(used, "void"), {**data, "step": "apply", "events": "2"})

    assert answer.status_code == 409
    assert answer.context["error"] in answer.content.decode()
    assert answer.context["error"]
    assert answer.context["events"] == 3
    assert not UsageVoid.objects.exists()


def test_usage_of_a_closed_period_is_refunded_by_a_credit(
    finance: Client, used: Organization
) -> None:
    close_period(used.pk, ends_at=NOW)
    BillingAccount.objects.get_or_create(organization=used)
    seen = finance.post(
        at(used, "void"),
        {"event": "b", "note": "x", "idempotency_key": "w", "step": "preview"},
    )

    assert seen.context["preview"].usage.closed_events == 1
    assert 'data-closed-events="1"' in seen.content.decode()
    assert 'data-does="credit"' in seen.content.decode()


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"event": "nobody's"}, "event"),
        ({}, "start"),
        ({"start": "2026-11-21T00:00"}, "start"),
        ({"start": "2026-11-22T00:00", "end": "2026-11-21T00:00"}, "end"),
        ({"start": "yesterday", "end": "2026-11-21T00:00"}, "start"),
    ],
)
def test_an_invalid_range_is_an_error_of_its_field(
    finance: Client, used: Organization, data: dict[str, str], field: str
) -> None:
    answer = finance.post(
        at(used, "void"),
        {**data, "note": "x", "idempotency_key": "w", "step": "preview"},
    )

    assert answer.status_code == 422
    assert field in answer.context["form"].errors


def test_a_period_adds_up_from_events_to_what_was_charged(
    finance: Client, used: Organization
) -> None:
    open_one = finance.get(at(used, "periods")).context["reconciliation"]
    close_period(used.pk, ends_at=NOW)
    page = finance.get(at(used, "periods"))
    sums = page.context["reconciliation"]

    assert open_one.period.number == sums.period.number == 1
    assert [step.amount for step in sums.steps[:3]] == [Decimal(13)] * 3
    assert {row.product: row.daily for row in sums.rows} == {
        "claude": Decimal("2.5"),
        "gpt": Decimal("10.5"),
    }
    assert Cause.NOT_CHARGED in page.content.decode()


@pytest.mark.parametrize("number", ["7", "x", "0", "9" * 30])
def test_an_unknown_period_is_not_found(
    finance: Client, used: Organization, number: str
) -> None:
    url = f"{at(used, 'periods')}?period={number}"

    assert finance.get(url).status_code == 404


def test_a_period_is_closed_by_hand_once_and_charges_nothing(
    finance: Client, used: Organization
) -> None:
    data = fields(finance.get(at(used, "periods")), note="Billed elsewhere")

    with time_machine.travel(NOW + timedelta(minutes=9), tick=False):
        for _ in range(2):
            assert finance.post(at(used, "periods"), data).status_code == 302

    closed = BillingPeriod.objects.get(organization=used, ends_at__isnull=False)
    assert (closed.cost, closed.closed_by, closed.note) == (
        Decimal(13),
        "fin",
        "Billed elsewhere",
    )
    assert not closed.charges.exists()
    assert period_cost(used.pk, number=2).cost == 0
    page = finance.get(at(used, "periods")).content.decode()
    assert 'data-closed-by="fin"' in page


def test_closing_a_period_requires_a_reason_and_permission(
    finance: Client, used: Organization, acme: WhiteLabel
) -> None:
    viewer = require_billing_read("vic", "viewer", acme)
    stranger = require_billing_read(
        "eve", "operator", WhiteLabel.objects.get(slug="decoy")
    )
    data = fields(finance.get(at(used, "periods")), note=" ")

    answer = finance.post(at(used, "periods"), data)
    assert (answer.status_code, [*answer.context["form"].errors]) == (422, ["note"])
    data["note"] = "why"
    assert viewer.post(at(used, "periods"), data).status_code == 403
    assert stranger.post(at(used, "periods"), data).status_code == 404
    assert not BillingPeriod.objects.filter(ends_at__isnull=False).exists()


def test_a_command_closes_a_period_by_hand(used: Organization) -> None:
    preview, result = StringIO(), StringIO()
    command = ("close_period", "--organization", "org-7", "--white-label", "acme")
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        call_command(*command, stdout=preview)
        with pytest.raises(CommandError, match="note"):
            call_command(*command, "--apply")
        call_command(*command, "--apply", "--note", "x", "--by", "ann", stdout=result)

    with (
        time_machine.travel(NOW + timedelta(hours=2), tick=False),
        pytest.raises(CommandError, match="--again"),
    ):
        call_command(*command, "--apply", "--note", "x")
    assert BillingPeriod.objects.filter(organization=used).count() == 2
    with time_machine.travel(NOW + timedelta(hours=2), tick=False):
        for _ in range(2):
            named = ("--apply", "--note", "x", "--key", "november", "--by", "bob")
            call_command(*command, *named, stdout=StringIO())
    with time_machine.travel(NOW + timedelta(hours=3), tick=False):
        call_command(*command, "--apply", "--note", "x", "--again")
    assert BillingPeriod.objects.filter(organization=used).count() == 4

    assert " 13 usd\n" in preview.getvalue()
    assert result.getvalue() == "closed 1 13 usd\n"
    assert BillingPeriod.objects.get(organization=used, number=1).closed_by == "ann"
