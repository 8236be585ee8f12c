"""Periods with usage that has no price: carried, priced later, or written off."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.errors import UnpricedUsage
from billing.ledger.commands.periods import close_period, close_period_manually
from billing.ledger.commands.voids import void_usage
from billing.ledger.commands.write_offs import write_off_carried
from billing.ledger.queries.reconciliation import reconcile_period
from billing.models import UnpricedWriteOff
from metrics.commands.recompute import CorrectionSpec, finish_correction
from metrics.commands.rerate import preview_rerate, rerate_periods
from metrics.commands.roll_up import repair_fleet_totals
from metrics.commands.voids import void_correction
from metrics.errors import NotCarried, UsagePriced
from metrics.models import Correction
from metrics.queries.unpriced import list_carried, list_open_unpriced
from metrics.queries.voids import UsageRange
from orgs.errors import DomainError, KeyReused
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_rate,
    make_user,
    make_white_label,
    period_cost,
    record,
    usage_of,
)
from tests.support.corrections import run
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
ROW = ("period", "meter", "quantity", "cost", "unpriced_quantity")
CHECK = ("--white-label", "acme", "--from", "2026-10-01", "--to", "2026-11-23")


@pytest.fixture
@snapshot
def used(acme: WhiteLabel, org: Organization) -> Organization:
    """Return an organization with 5 requests at 2 and 70 tokens without a price."""
    make_rate(acme, "2")
    record(acme, [event(quantities={"requests": 5, "prompt_tokens": 70})])
    return org


def close(organization: Organization, hours: int) -> int:
    return close_period(organization.pk, ends_at=NOW + timedelta(hours=hours)).number


def rerate(label: WhiteLabel, organization: Organization) -> None:
    spec = CorrectionSpec(Correction.Kind.RERATE, by="ann", note="a price")
    rerate_periods(label, [organization.pk], correction=spec)
    finish_correction(spec)


def assert_whole(organization: Organization) -> None:
    """Daily usage equals its events, and no quantity of a period is unexplained."""
    assert run("rebuild_days", *CHECK)[0] == 0
    assert repair_fleet_totals([organization.white_label_id]) == 0
    for number in range(1, 5):
        if organization.billing_periods.filter(number=number).exists():
            result = reconcile_period(organization, number)
            assert all(meter.is_complete for meter in result.meters)
            assert result.steps[0].amount == result.steps[1].amount


def test_unpriced_usage_is_carried_and_billed_once_it_has_a_price(
    acme: WhiteLabel, used: Organization
) -> None:
    close(used, 0)
    assert usage_of(used, *ROW) == [
        (2, "prompt_tokens", 70, 0, 70),
        (1, "requests", 5, 10, 0),
    ]
    assert list_carried(used.pk) == {("gpt", "prompt_tokens")}
    assert_whole(used)

    close(used, 1)
    make_rate(acme, "3", meter="prompt_tokens")
    assert preview_rerate(acme, [used.pk]).rerates[0].new_cost == 210
    rerate(acme, used)
    assert period_cost(used.pk, number=3).cost == 210
    assert_whole(used)

    closed = close_period(used.pk, ends_at=NOW + timedelta(hours=2))
    assert closed.cost == 210
    assert period_cost(used.pk, number=1).cost == 10
    assert list_open_unpriced(used.pk) == []
    assert_whole(used)


def test_closing_applies_a_rate_that_was_added_for_unpriced_usage(
    acme: WhiteLabel, used: Organization
) -> None:
    """The person who added the rate need not re-rate; priced usage keeps its price."""
    close(used, 0)
    record(acme, [event("b", quantities={"requests": 1, "prompt_tokens": 7})])
    make_rate(acme, "9")
    make_rate(acme, "3", meter="prompt_tokens")

    closed = close_period(used.pk, ends_at=NOW + timedelta(hours=1))

    assert closed.cost == 2 + 3 * 77
    assert list_open_unpriced(used.pk) == []
    assert list_carried(used.pk) == set()
    assert Correction.objects.get(kind="rerate").by == "Orgdesk"
    assert_whole(used)


def test_closing_carries_what_a_later_rate_does_not_cover(
    acme: WhiteLabel, used: Organization
) -> None:
    at = "2026-11-21T11:30:00Z"
    record(acme, [event("b", timestamp=at, quantities={"prompt_tokens": 7})])
    start = datetime(2026, 11, 21, 11, 15, tzinfo=UTC)
    make_rate(acme, "3", meter="prompt_tokens", effective_from=start)
    assert close_period(used.pk, ends_at=NOW).cost == 10 + 21
    assert [line.quantity for line in list_open_unpriced(used.pk)] == [70]
    assert_whole(used)

    make_rate(acme, "4", meter="prompt_tokens")
    assert close_period(used.pk, ends_at=NOW + timedelta(hours=1)).cost == 280
    assert_whole(used)


def test_a_split_period_carries_its_part_alone(
    acme: WhiteLabel, used: Organization
) -> None:
    at = "2026-11-21T11:30:00Z"
    record(acme, [event("b", timestamp=at, quantities={"prompt_tokens": 7})])
    split = datetime(2026, 11, 21, 11, 15, tzinfo=UTC)
    assert close_period(used.pk, ends_at=split, splits=True).cost == 10
    assert usage_of(used, *ROW)[0] == (2, "prompt_tokens", 77, 0, 77)
    assert_whole(used)
    make_rate(acme, "3", meter="prompt_tokens")
    rerate(acme, used)
    assert period_cost(used.pk, number=2).cost == 231
    assert_whole(used)


def test_a_price_for_a_part_leaves_the_rest_carried(
    acme: WhiteLabel, used: Organization
) -> None:
    """The price starts between 70 tokens at 11:00 and 7 at 11:30."""
    at = "2026-11-21T11:30:00Z"
    record(acme, [event("b", timestamp=at, quantities={"prompt_tokens": 7})])
    close(used, 0)
    start = datetime(2026, 11, 21, 11, 15, tzinfo=UTC)
    make_rate(acme, "3", meter="prompt_tokens", effective_from=start)
    rerate(acme, used)
    assert usage_of(used, *ROW)[0] == (2, "prompt_tokens", 77, 21, 70)

    close(used, 1)
    rows = usage_of(used, *ROW)
    assert rows[:2] == [
        (2, "prompt_tokens", 7, 21, 0),
        (3, "prompt_tokens", 70, 0, 70),
    ]
    assert_whole(used)


def test_usage_at_a_rate_of_zero_is_free(acme: WhiteLabel, used: Organization) -> None:
    make_rate(acme, "0", meter="prompt_tokens")
    rerate(acme, used)
    close(used, 0)
    [requests, tokens] = sorted(
        reconcile_period(used, 1).meters, key=lambda meter: -meter.recorded
    )[::-1]
    assert (requests.priced, requests.free, requests.unpriced) == (5, 0, 0)
    assert (tokens.priced, tokens.free, tokens.unpriced) == (0, 70, 0)
    assert list_carried(used.pk) == set()


def test_storage_deltas_are_free_unless_they_have_a_rate(
    acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [event(quantities={"storage_bytes_added": 9})])
    assert list_open_unpriced(org.pk) == []
    make_rate(acme, "2", meter="storage_bytes_added")
    rerate(acme, org)
    assert period_cost(org.pk, number=1).cost == 18
    assert_whole(org)


def test_a_person_decides_before_closing_manually(used: Organization) -> None:
    with pytest.raises(UnpricedUsage, match="gpt prompt_tokens"):
        close_period_manually(used.pk, by="ann", note="billed by hand")
    close_period_manually(
        used.pk, by="ann", note="billed by hand", bills_without_unpriced=True
    )
    row = UnpricedWriteOff.objects.get()
    assert (row.by, row.note, int(row.quantity)) == ("ann", "billed by hand", 70)
    assert list_carried(used.pk) == set()
    result = reconcile_period(used, 1)
    assert result.is_complete
    assert [meter.unpriced for meter in result.meters] == [70, 0]
    assert_whole(used)


def test_the_command_asks_too(used: Organization) -> None:
    close_it = ("close_period", "--white-label", "acme", "--organization", "org-7")
    assert "no price for gpt prompt_tokens: 70 since 2026-11-21" in run(*close_it)[1]
    why = ("--apply", "--note", "by hand", "--by", "ann")
    with pytest.raises(CommandError, match="--without-unpriced"):
        run(*close_it, *why)
    assert run(*close_it, *why, "--without-unpriced")[1] == ["closed 1 10 usd"]


def test_carried_usage_is_written_off_by_a_person(
    acme: WhiteLabel, used: Organization
) -> None:
    close(used, 0)
    late = event("b", quantities={"prompt_tokens": 4})
    record(acme, [late])
    with pytest.raises(DomainError):
        write_off_carried(used, "gpt", "prompt_tokens", by="ann", note=" ")

    returned = write_off_carried(used, "gpt", "prompt_tokens", by="ann", note="a gift")

    assert (returned.period, returned.quantity) == (1, 70)
    assert usage_of(used, *ROW) == [
        (1, "prompt_tokens", 70, 0, 70),
        (2, "prompt_tokens", 4, 0, 4),
        (1, "requests", 5, 10, 0),
    ]
    assert UnpricedWriteOff.objects.get().period.number == 1
    assert Correction.objects.get(kind="writeoff").by == "ann"
    make_rate(acme, "3", meter="prompt_tokens")
    rerate(acme, used)
    assert period_cost(used.pk, number=2).cost == 12
    with pytest.raises(NotCarried):
        write_off_carried(used, "gpt", "prompt_tokens", by="ann", note="again")
    assert_whole(used)


def test_priced_usage_is_not_written_off(acme: WhiteLabel, used: Organization) -> None:
    close(used, 0)
    make_rate(acme, "3", meter="prompt_tokens")
    rerate(acme, used)
    with pytest.raises(UsagePriced):
        write_off_carried(used, "gpt", "prompt_tokens", by="ann", note="a gift")
    assert period_cost(used.pk, number=2).cost == 210
    assert_whole(used)


def test_voided_usage_is_carried_no_further(
    acme: WhiteLabel, used: Organization
) -> None:
    close(used, 0)
    mistake = UsageRange(used, NOW - timedelta(days=1), NOW)
    spec = void_correction(by="ann", note="a mistake")
    void_usage(mistake, correction=spec, as_credit=True)
    assert list_open_unpriced(used.pk) == []
    make_rate(acme, "3", meter="prompt_tokens")
    rerate(acme, used)
    assert period_cost(used.pk, number=2).cost == Decimal(0)
    assert run("rebuild_days", *CHECK)[0] == 0


def test_closing_without_unpriced_usage_locks_no_roll_up(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "2")
    record(acme, [event()])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        close(org, 0)
    assert not any("usage roll-up" in query["sql"] for query in queries)


def test_the_page_proves_that_every_quantity_is_accounted_for(
    used: Organization, client: Client
) -> None:
    client.force_login(make_user("fin", "finance"))
    url = reverse("billing:periods", args=[used.pk])
    page = client.get(f"{url}?period=1").content.decode()
    assert 'data-meter="gpt prompt_tokens" data-unpriced="70"' in page
    assert 'name="bills_without_unpriced"' in page

    key = {"idempotency_key": "k", "note": "by hand"}
    assert client.post(url, key).status_code == 422
    assert client.post(url, {**key, "bills_without_unpriced": "on"}).status_code == 302
    assert UnpricedWriteOff.objects.get().by == "fin"
    page = client.get(f"{url}?period=1").content.decode()
    assert 'data-written-off-by="fin"' in page


def test_carried_usage_is_written_off_on_the_page(
    used: Organization, client: Client
) -> None:
    close(used, 0)
    client.force_login(make_user("fin", "finance"))
    page = client.get(
        reverse("billing:periods", args=[used.pk]) + "?period=2"
    ).content.decode()
    assert 'data-carried="gpt prompt_tokens"' in page
    form = {
        "product": "gpt",
        "meter": "prompt_tokens",
        "note": "a gift",
        "idempotency_key": "k",
    }
    url = reverse("billing:write_off", args=[used.pk])
    assert client.post(url, {**form, "note": ""}).status_code == 422
    assert client.post(url, form).status_code == 302
    assert client.post(url, form).status_code == 302  # already done
    assert UnpricedWriteOff.objects.get().note == "a gift"

    client.force_login(make_user("sup", "support"))
    assert client.post(url, form).status_code == 403
    beta = make_white_label("beta")
    client.force_login(make_user("bet", "finance", white_label=beta))
    assert client.post(url, form).status_code == 404
    client.logout()
    assert client.post(url, form).status_code == 302  # to the login
    assert UnpricedWriteOff.objects.count() == 1


def test_nothing_carried_is_not_written_off_on_the_page(
    acme: WhiteLabel, used: Organization, client: Client
) -> None:
    close(used, 0)
    client.force_login(make_user("fin", "finance"))
    url = reverse("billing:write_off", args=[used.pk])
    form = {"meter": "prompt_tokens", "note": "a gift", "idempotency_key": "k"}

    answer = client.post(url, {**form, "product": "unknown"})
    assert (answer.status_code, len(answer.context["write_off_errors"])) == (422, 1)
    assert b"data-write-off-error" in answer.content

    make_rate(acme, "3", meter="prompt_tokens")
    rerate(acme, used)
    close(used, 1)
    assert client.post(url, {**form, "product": "gpt"}).status_code == 422
    assert not UnpricedWriteOff.objects.exists()


def test_a_key_writes_off_once(acme: WhiteLabel, used: Organization) -> None:
    close(used, 0)
    write_off: dict[str, Any] = {"by": "ann", "note": "a gift", "key": "k"}
    first = write_off_carried(used, "gpt", "prompt_tokens", **write_off)
    record(acme, [event("b", quantities={"prompt_tokens": 4})])
    close(used, 1)

    assert write_off_carried(used, "gpt", "prompt_tokens", **write_off) == first
    with pytest.raises(KeyReused):
        write_off_carried(used, "gpt", "completion_tokens", **write_off)

    assert UnpricedWriteOff.objects.count() == 1
    assert list_carried(used.pk) == {("gpt", "prompt_tokens")}
    assert_whole(used)
