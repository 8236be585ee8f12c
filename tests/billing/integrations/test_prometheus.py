"""Figures in a real Prometheus: what PromQL answers is what pages and API show."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from billing.forecast.queries.estimated_invoices import get_estimate
from metrics.commands import push_runs
from metrics.commands.backfills import request_backfill
from metrics.commands.integrations import (
    IncomingTarget,
    resume_integration,
    set_integrations,
)
from metrics.commands.pushes import mark_changed
from metrics.commands.roll_up import roll_up_usage
from metrics.models import Push, PushBackfill
from orgs.models import Entitlements, Organization, WhiteLabel
from orgs.networks import read_networks
from tests.factories import NOW, event, make_rate, make_user, record
from tests.support.alerts import evaluate, limit, subscribe
from tests.support.prometheus import Prometheus, running_prometheus

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.process,
    pytest.mark.usefixtures("frozen"),
]
LLAMA = "meta/llama-3.1~70b (fp8), x=1"


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    with running_prometheus() as server:
        yield server


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("127.0.0.0/8")


@pytest.fixture
def target(org: Organization, prometheus: Prometheus) -> Push:
    incoming = IncomingTarget("70011", prometheus.write_url, "secret")
    set_integrations(org.pk, {"prom": incoming})
    return Push.objects.get()


def amount(page: str, number: str) -> float:
    """Return the exact value of a number on a page."""
    tag = re.search(rf'data-number="{number}"[^>]* data-value="([^"]+)"', page)
    assert tag, number
    return float(tag[1])


def test_promql_answers_what_the_pages_show(
    acme: WhiteLabel,
    org: Organization,
    client: Client,
    prometheus: Prometheus,
    target: Push,
) -> None:
    make_rate(acme, "0.25")
    make_rate(acme, "0.000001", meter="prompt_tokens", product=LLAMA)
    subscribe(org, period_ends_at=NOW + timedelta(days=10))
    limit(org, "soft", "100.5")
    limit(org, "hard", "1000")
    Entitlements.objects.update_or_create(
        organization=org, defaults={"projects": 3, "compute_seconds_per_year": 9_000}
    )
    quantities = {"requests": 5_000, "cpu_seconds": 70}
    llama = {"product": LLAMA, "quantities": {"prompt_tokens": 2**60}}
    record(acme, [event(quantities=quantities), event("e-2", **llama)])
    roll_up_usage()
    evaluate(org)

    push_runs.run_pushes()

    target.refresh_from_db()
    assert (target.error, target.failures, target.pushed_at) == ("", 0, NOW)
    client.force_login(make_user("ada", "viewer", white_label=acme))
    page = client.get(f"/organizations/{org.pk}/").content.decode()

    def value(promql: str) -> float | None:
        return prometheus.value(promql.replace("{", "{organization='org-7',", 1), NOW)

    estimate = get_estimate(org)
    shown = {
        "orgdesk_period_cost{}": "organization.cost_this_period",
        "orgdesk_estimated_invoice_total{}": "estimate.total",
        "orgdesk_entitlement_used{entitlement='compute_seconds'}": (
            "entitlement.compute_seconds.used"
        ),
        "orgdesk_entitlement_limit{entitlement='projects'}": (
            "entitlement.projects.limit"
        ),
    }
    assert {promql: value(promql) for promql in shown} == {
        promql: amount(page, number) for promql, number in shown.items()
    }
    cost = 1_250 + 2**60 * Decimal("1e-6")
    assert value("orgdesk_cost_total{}") == float(cost)
    assert value("orgdesk_forecast_period_cost{}") == float(
        estimate.forecast.projected or 0
    )
    assert value("orgdesk_spending_limit{limit='soft'}") == 100.5
    assert value("orgdesk_access_allowed{}") == 0
    assert value("orgdesk_access_refused{reason='hard_limit'}") == 1
    assert value("orgdesk_access_refused{reason='deleted'}") == 0
    assert value("orgdesk_usage_quantity{meter='requests'}") == 5_000
    assert value("orgdesk_usage_unpriced_quantity{meter='cpu_seconds'}") == 70
    assert value("orgdesk_usage_quantity{meter='prompt_tokens'}") == float(2**60)
    assert prometheus.query(
        "orgdesk_usage_cost{meter='prompt_tokens'}", NOW
    ).keys() == {f"currency=usd,meter=prompt_tokens,product={LLAMA}"}
    assert value("orgdesk_entitlement_limit{entitlement='storage_bytes'}") is None
    assert value("orgdesk_series_left_out{}") == 0
    assert prometheus.value("count({__name__=~'orgdesk_.+'})", NOW) == target.items


def test_a_change_is_pushed_after_a_minute_and_again_before_series_are_stale(
    acme: WhiteLabel,
    org: Organization,
    frozen: time_machine.Traveller,
    prometheus: Prometheus,
    target: Push,
) -> None:
    make_rate(acme, "2")

    def due(after: timedelta) -> tuple[timedelta, float | None]:
        frozen.move_to(start + after)
        push_runs.run_pushes()
        target.refresh_from_db()
        query = "orgdesk_period_cost{organization='org-7'}"
        return target.next_attempt_at - start, prometheus.value(query, start + after)

    start = NOW + timedelta(hours=1)
    minute = timedelta(minutes=1)
    assert due(0 * minute) == (4 * minute, 0)
    record(acme, [event()])
    mark_changed([org.pk])
    target.refresh_from_db()
    assert target.next_attempt_at == start + minute
    assert due(minute / 2) == (minute, 0)
    assert due(minute) == (5 * minute, 10)
    assert due(5 * minute) == (9 * minute, 10)


def test_a_backfill_sends_each_past_day_once_and_continues_where_it_ended(
    acme: WhiteLabel,
    org: Organization,
    frozen: time_machine.Traveller,
    prometheus: Prometheus,
    target: Push,
) -> None:
    frozen.move_to(NOW + timedelta(hours=2))
    make_rate(acme, "0.5")
    for day, requests in ((1, 4), (3, 6), (20, 10)):
        at = datetime(2026, 10, day, 9, tzinfo=UTC).isoformat()
        record(
            acme, [event(f"o-{day}", timestamp=at, quantities={"requests": requests})]
        )
    push_runs.run_pushes()
    first, last = date(2026, 9, 30), date(2026, 11, 20)
    backfill = request_backfill(org, first, last, by="ada", note="history")

    push_runs.run_pushes()

    backfill.refresh_from_db()
    assert (backfill.state, backfill.next_day) == ("done", date(2026, 11, 21))
    assert backfill.percent == 100

    def at_end(day: int) -> tuple[float | None, ...]:
        end = datetime(2026, 10, day, 23, 59, 59, tzinfo=UTC)
        names = ("orgdesk_usage_quantity", "orgdesk_period_cost", "orgdesk_cost_total")
        labels = "{organization='org-7'}"
        return tuple(prometheus.value(name + labels, end) for name in names)

    assert at_end(1) == (4, 2, 2)
    assert at_end(2) == (4, 2, 2)
    assert at_end(3) == (10, 5, 5)
    assert at_end(20) == (20, 10, 10)
    assert at_end(31) == (20, 10, 10)

    again = request_backfill(org, first, first, by="ada", note="again")
    push_runs.run_pushes()
    again.refresh_from_db()
    assert again.state == PushBackfill.State.DONE  # the same samples again are no error


def test_an_empty_prometheus_takes_past_days_before_newer_samples(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.5")
    record(acme, [event(timestamp="2026-08-01T09:00:00Z")])
    days = date(2026, 7, 25), date(2026, 11, 20)
    with running_prometheus(window="0s") as prometheus:
        target = IncomingTarget("1", prometheus.write_url, "x", starts_paused=True)
        set_integrations(org.pk, {"prom": target})
        backfill = request_backfill(org, *days, by="ada", note="history")
        push_runs.run_pushes()
        backfill.refresh_from_db()
        assert (backfill.state, backfill.error) == ("done", "")
        assert Push.objects.get().pushed_at is None

        resume_integration(org, "prom")
        push_runs.run_pushes()
        for at in (datetime(2026, 8, 1, 23, 59, 59, tzinfo=UTC), NOW):
            assert prometheus.value("orgdesk_cost_total", at) == 2.5
        late = request_backfill(org, *days, by="ada", note="again")
        push_runs.run_pushes()
        late.refresh_from_db()
        assert (late.state, late.error_code) == ("failed", "refused")
        assert "out of bounds" in late.error
