"""Re-rates from the page: previewed, applied once, canceled, and refused."""

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.ledger.commands.periods import close_period
from metrics.commands import rerate_runs
from metrics.models import Correction, RerateRun
from metrics.tasks import run_rerate, sweep_rerates
from orgs.models import Organization, User, WhiteLabel
from tests.factories import (
    event,
    make_organization,
    make_rate,
    make_user,
    period_cost,
    record,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
SCOPE = {"product": "gpt", "meter": "requests", "since": "2026-11-01"}


@pytest.fixture
def others(acme: WhiteLabel, org: Organization) -> list[Organization]:
    """5 requests of org-7, 7 of org-8, both at 2; then the price is 3.

    org-9 has used nothing of it. A closed period of org-7 has 11 requests at 2.
    """
    make_user("fin", "finance", white_label=acme)
    make_user("vic", "viewer", white_label=acme)
    make_user("strange", "operator", white_label=WhiteLabel.objects.get(slug="decoy"))
    rows = [make_organization(acme, f"org-{number}") for number in (8, 9)]
    make_rate(acme, "2")
    make_rate(acme, "1", product="claude")
    record(acme, [event("e-0", quantities={"requests": 11})])
    close_period(org.pk, ends_at=timezone.now())
    record(
        acme,
        [
            event("e-1"),
            event("e-2", organization="org-8", quantities={"requests": 7}),
            event("e-3", organization="org-9", product="claude"),
        ],
    )
    make_rate(acme, "3")
    return rows


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def start(client: Client, **changes: str) -> Any:
    return client.post(reverse("metrics:rerates"), {**SCOPE, **changes})


def run_all() -> RerateRun:
    """Do what is due as workers do; return the last run."""
    run = RerateRun.objects.latest("id")
    run_rerate(run.pk)
    run.refresh_from_db()
    return run


def test_a_rerate_is_previewed_and_applied_once(
    acme: WhiteLabel,
    org: Organization,
    others: list[Organization],
    django_assert_max_num_queries: Any,
) -> None:
    client = of("fin")
    assert start(client).status_code == 302
    waiting = RerateRun.objects.get()
    url = reverse("metrics:rerate", args=[waiting.pk])
    assert "every 1s" in client.get(url).content.decode()
    early = client.post(url, {"step": "apply", "reason": "x"})
    assert early.status_code == 409  # it is not done
    refused = start(client, product="claude")
    assert refused.status_code == 409
    assert "is running" in refused.content.decode()

    preview = run_all()
    assert (preview.state, preview.percent, preview.organizations) == ("done", 100, 2)
    assert (preview.old_cost, preview.new_cost) == (24, 36)
    assert (preview.closed_periods, preview.closed_cost) == (1, 22)
    assert (preview.first_day, preview.last_day) == (date(2026, 11, 21),) * 2
    assert period_cost(org.pk, number=2).cost == 10  # nothing is changed
    page = client.get(url)
    assert "every 1s" not in page.content.decode()
    assert [row.new - row.old for row in page.context["changes"]] == [7, 5]
    assert client.post(url, {"step": "apply", "reason": ""}).status_code == 422

    for _ in range(2):  # twice is once
        answer = client.post(url, {"step": "apply", "reason": "Typo"})
        assert answer.status_code == 302
    with django_assert_max_num_queries(70):
        applied = run_all()
    assert RerateRun.objects.count() == 2
    assert (applied.state, applied.old_cost, applied.new_cost) == ("done", 24, 36)
    assert period_cost(org.pk, number=2).cost == 15
    assert period_cost(org.pk, number=1).cost == 22
    run_rerate(applied.pk)  # a late message
    correction = Correction.objects.get()
    assert (correction.by, correction.note, correction.cost) == ("fin", "Typo", 12)
    assert correction.finished_at is not None
    history = client.get(reverse("orgs:fleet_history")).content.decode()
    assert "Typo" in history
    assert start(client).status_code == 302
    assert run_all().organizations == 0  # nothing is left to change


def test_a_rerate_is_refused_canceled_and_continued(
    acme: WhiteLabel,
    org: Organization,
    others: list[Organization],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = of("fin")
    for name, status in (("vic", 403), ("strange", 404)):
        url = f"{reverse('metrics:rerates')}?white_label=acme"
        assert of(name).post(url, SCOPE).status_code == status
    for field, bad in (("since", "1e3"), ("meter", "tokens"), ("product", "a\x00")):
        answer = start(client, **{field: bad})
        assert (answer.status_code, set(answer.context["form"].errors)) == (
            422,
            {field},
        )
    assert not RerateRun.objects.exists()

    # A slice ends after one organization; the next one continues.
    monkeypatch.setattr(rerate_runs, "_BATCH", 1)
    monkeypatch.setattr(rerate_runs, "_SLICE_SECONDS", 0)
    start(client)
    preview = run_all()
    assert (preview.state, preview.done, preview.organizations) == ("pending", 1, 0)
    for _ in range(4):
        preview = run_all()
    assert (preview.state, preview.organizations) == ("done", 2)
    url = reverse("metrics:rerate", args=[preview.pk])
    assert of("vic").get(url).status_code == 403
    assert of("strange").get(url).status_code == 404

    client.post(url, {"step": "apply", "reason": "Typo"})
    run_all()
    applied = run_all()
    assert (applied.state, applied.organizations) == ("pending", 1)
    here = reverse("metrics:rerate", args=[applied.pk])
    client.post(here, {"step": "cancel"})
    client.post(here, {"step": "cancel"})
    assert run_all().state == "canceled"
    assert Correction.objects.get().finished_at is not None
    assert sum(period_cost(o.pk, number=n).cost for o, n in ((org, 2), (others[0], 1)))
    assert "Canceled by fin" in client.get(here).content.decode()

    start(client)  # the rest; but the price changes meanwhile
    run_all()
    make_rate(acme, "4")
    stopped = run_all()
    assert (stopped.state, stopped.error_code) == ("failed", "prices_changed")
    monkeypatch.undo()
    start(client)
    sweep_rerates()
    preview = run_all()
    make_rate(acme, "5")
    answer = client.post(
        reverse("metrics:rerate", args=[preview.pk]), {"step": "apply", "reason": "x"}
    )
    assert answer.status_code == 409
    assert Correction.objects.count() == 1
    jobs = make_user("root", is_superuser=True)
    root = Client()
    root.force_login(jobs)
    assert "Re-rates" in root.get(reverse("billing:background_jobs")).content.decode()


def test_a_price_in_the_past_leads_to_its_rerate(acme: WhiteLabel) -> None:
    make_user("fin", "finance", white_label=acme)
    client, url = of("fin"), reverse("metrics:new_price")
    data = {"product": "gpt", "meter": "requests", "unit_price": "3", "reason": "x"}
    for start_day, leads in (("2026-11-01", True), ("2026-12-24", False)):
        data["effective_from"] = start_day
        shown = client.post(url, {**data, "step": "preview"})
        proof = shown.context["form"].data["before"]
        answer = client.post(url, {**data, "before": proof}, follow=True)
        page = answer.content.decode()
        assert ("since=2026-11-01" in answer.redirect_chain[0][0]) is leads
        assert "data-undo" in page
        assert ('value="2026-11-01"' in page) is leads
