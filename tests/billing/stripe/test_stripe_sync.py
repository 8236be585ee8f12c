"""A full sync against the stand-in: everything once, and after whatever went wrong."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection

from billing.gateway import calls
from billing.models import (
    BillingAccount,
    Discrepancy,
    Invoice,
    Price,
    Subscription,
    SyncRun,
    SyncSeen,
)
from billing.stripe import tasks
from billing.stripe.commands.sync import reading, runs, stages
from billing.stripe.commands.sync import reading as reading_sync
from billing.stripe.commands.sync import runs as runs_sync
from billing.stripe.commands.sync.runs import find_forgotten, start_all
from billing.stripe.queries.sync_runs import get_sync, last_syncs
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_organization, make_white_label
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.stripe_mirror import (
    customer_of,
    history,
    our_state,
    run_sync,
    subscribe,
    their_state,
)

pytestmark = pytest.mark.usefixtures("frozen")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture
def fake(fake_stripe: FakeStripe) -> Iterator[FakeStripe]:
    yield fake_stripe
    fake_stripe.control("script", api=[])


@pytest.fixture
def price(fake: FakeStripe) -> str:
    return make_price(fake, 2900).id


@pytest.fixture
def fleet(fake: FakeStripe, acme: WhiteLabel, price: str) -> list[Organization]:
    """Seven organizations that subscribed, and a decoy of another white label."""
    organizations = [make_organization(acme, f"fleet-{n}") for n in range(7)]
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    for organization in [*organizations, decoy]:
        subscribe(fake, customer_of(fake, organization), price)
    return organizations


def test_everything_is_mirrored_once(
    fake: FakeStripe, acme: WhiteLabel, org: Organization, price: str
) -> None:
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    customer = customer_of(fake, org)
    sub = subscribe(fake, customer, price)
    subscribe(fake, customer_of(fake, decoy), price)

    first = run_sync(acme)

    assert BillingAccount.objects.get(organization=org).stripe_id == customer
    found = Subscription.objects.get()
    assert (found.organization, found.stripe_id) == (org, sub)
    assert (found.tier, found.cycle, found.status) == ("growth", "monthly", "active")
    invoice = Invoice.objects.get()
    assert invoice.total == Decimal("29.000")
    assert (invoice.status, invoice.currency) == ("paid", "usd")
    assert Price.objects.get().unit_amount == Decimal("29.000")
    assert (first.done, first.errors, first.discrepancy_count) == (7, 0, 0)
    assert first.written == 4

    before = history()
    second = run_sync(acme)

    assert (second.done, second.total) == (7, 7)
    assert (second.written, second.discrepancy_count) == (0, 0)
    assert history() == before
    assert not SyncSeen.objects.exists()
    assert not Discrepancy.objects.exists()


def test_every_state_is_mirrored(
    fake: FakeStripe, acme: WhiteLabel, price: str
) -> None:
    spaces = make_price(fake, 1100, kind="spaces", tier="team").id
    customers = [customer_of(fake, make_organization(acme, f"o-{n}")) for n in range(6)]
    trial = subscribe(fake, customers[0], price, trial_period_days=14)
    seats = subscribe(fake, customers[0], spaces, quantity=11)
    paused = subscribe(fake, customers[1], price)
    ended = subscribe(fake, customers[2], price)
    ending = subscribe(fake, customers[3], price, cancel_at=int(NOW.timestamp()) + 999)
    subscribe(fake, customers[5], make_price(fake, 99_00, interval="year").id)
    client = fake.client().v1.subscriptions
    client.update(
        paused,
        {
            "pause_collection": {"behavior": "void"},
            "metadata": {"orgdesk_pause_reason": "asked by phone"},
        },
    )
    client.cancel(ended)

    run_sync(acme)

    rows = {row.stripe_id: row for row in Subscription.objects.all()}
    assert (rows[trial].status, str(rows[trial].trial_ends_at)[:10]) == (
        "trialing",
        "2026-12-05",
    )
    assert (rows[seats].kind, rows[seats].tier, rows[seats].seats) == (
        "spaces",
        "team",
        11,
    )
    assert (rows[paused].status, rows[paused].pause_reason) == (
        "paused",
        "asked by phone",
    )
    assert rows[paused].paused_at == NOW
    assert rows[ended].status == "canceled"
    assert str(rows[ending].cancels_at)[:19] == "2026-11-21 12:16:39"
    assert {row.cycle for row in rows.values()} == {"monthly", "yearly"}
    assert our_state() == their_state(fake)
    assert run_sync(acme).written == 0


def test_what_was_lost_is_healed_and_written_down(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    """No webhook came: three weeks of changes are seen by one run."""
    run_sync(acme)
    subs = list(Subscription.objects.order_by("id").values_list("stripe_id", flat=True))
    scale = make_price(fake, 9900, tier="scale").id
    client = fake.client().v1.subscriptions
    client.cancel(subs[0])
    item = client.retrieve(subs[1]).items.data[0].id
    client.update(subs[1], {"items": [{"id": item, "price": scale}]})
    fake.advance(days=31)

    found = run_sync(acme)

    assert found.discrepancy_count == Discrepancy.objects.count() > 0
    kinds = set(
        Discrepancy.objects.filter(stripe_id=subs[1]).values_list("kind", flat=True)
    )
    assert kinds == {"tier", "price", "period"}
    tier = Discrepancy.objects.get(stripe_id=subs[1], kind="tier")
    assert (tier.ours, tier.theirs, tier.resolved_by) == ("growth", "scale", "ann")
    assert tier.run == found
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    assert Subscription.objects.get(stripe_id=subs[0]).status == "canceled"
    theirs = their_state(fake)
    assert all(theirs[id_] == said for id_, said in our_state().items())
    before = history()
    assert run_sync(acme).written == 0
    assert history() == before


def test_only_looking_writes_nothing(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    run_sync(acme)
    before, ours = history(), our_state()
    one = Subscription.objects.first()
    assert one
    fake.client().v1.subscriptions.cancel(one.stripe_id)

    found = run_sync(acme, repairs=False)

    assert (found.written, found.discrepancy_count) == (0, 1)
    assert (history(), our_state()) == (before, ours)
    assert Discrepancy.objects.get(resolved_at=None).theirs == "canceled"


# --- paging, and what happens meanwhile --------------------------------------------


def test_it_goes_on_where_it_was_killed(
    fake: FakeStripe,
    acme: WhiteLabel,
    fleet: list[Organization],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker dies after the second page of invoices was saved."""
    _pages_of(2, monkeypatch)
    asked = runs_sync.start(acme)
    pages = 0
    save = runs.save

    def dying(party: list[SyncRun], **place: Any) -> None:
        nonlocal pages
        save(party, **place)
        pages += party[0].stage == SyncRun.Stage.INVOICES
        if pages == 2:
            raise SystemExit(9)

    monkeypatch.setattr(runs, "save", dying)
    with pytest.raises(SystemExit):
        reading_sync.advance(asked.pk)
    monkeypatch.setattr(runs, "save", save)
    asked.refresh_from_db()
    assert (asked.state, asked.stage) == ("running", "invoices")
    assert reading_sync.advance(asked.pk) is False  # its lease goes on
    asked_before = len(fake.requests("/v1/customers"))

    with time_machine.travel(NOW + SyncRun.retries.lease, tick=False):
        assert find_forgotten(10) == [asked.pk]
        reading_sync.advance(asked.pk)

    asked.refresh_from_db()
    assert (asked.state, asked.errors) == ("done", 0)
    assert len(fake.requests("/v1/customers")) == asked_before
    assert Invoice.objects.count() == Subscription.objects.count() == 7
    assert not SyncSeen.objects.exists()


def test_a_long_run_lets_others_have_their_turn(
    fake: FakeStripe,
    acme: WhiteLabel,
    fleet: list[Organization],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page at a time: two of seven customers, again and again."""
    _pages_of(3, monkeypatch)
    monkeypatch.setattr(reading, "SLICE_SECONDS", -1)
    asked, turns = runs_sync.start(acme), 1
    while reading_sync.advance(asked.pk):
        asked.refresh_from_db()
        assert (asked.state, asked.leased_until) == ("running", NOW)
        turns += 1

    assert turns == 1 + 2 + 0 + 2 + 2  # the last page of each stage begins the next
    assert Invoice.objects.count() == 7


def test_a_worker_without_its_lease_stops(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    asked = runs_sync.start(acme)
    mine = runs.claim(asked.pk)
    assert mine
    with time_machine.travel(NOW + SyncRun.retries.lease, tick=False):
        assert runs.claim(asked.pk)

    with pytest.raises(runs.LeaseLost):
        runs.save(mine, cursor="cus_x")


def test_what_comes_while_it_pages_is_not_missed(
    fake: FakeStripe,
    acme: WhiteLabel,
    fleet: list[Organization],
    price: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One more in the second of the bound, one later, and the place itself deleted."""
    _pages_of(3, monkeypatch)
    late = [make_organization(acme, f"late-{n}") for n in range(2)]
    save, made = runs.save, list[str]()

    def meanwhile(party: list[SyncRun], **place: Any) -> None:
        save(party, **place)
        run = party[0]
        if run.stage == SyncRun.Stage.CUSTOMERS and not made:
            made.append(customer_of(fake, late[0]))
            fake.advance(hours=0.01)
            made.append(customer_of(fake, late[1]))
            fake.client().v1.customers.delete(run.cursor)
        if run.stage == SyncRun.Stage.INVOICES and len(made) == 2:
            made.append(subscribe(fake, made[1], price))

    monkeypatch.setattr(runs, "save", meanwhile)
    run_sync(acme)

    linked = BillingAccount.objects.filter(organization__in=late)
    assert set(linked.values_list("stripe_id", flat=True)) == set(made[:2])
    assert Subscription.objects.filter(organization__in=fleet).count() >= 6


def _pages_of(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    window = calls.list_parameters
    monkeypatch.setattr(
        calls, "list_parameters", lambda **part: window(**part) | {"limit": size}
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "rate_limit", "times": 1},
        {"do": "error", "status": 503, "times": 2},
        {"do": "truncate", "times": 1},
        {"do": "disconnect_before", "times": 2},
    ],
    ids=lambda fault: f"{fault['do']}",
)
def test_trouble_on_the_way_costs_nothing_but_time(
    fake: FakeStripe,
    acme: WhiteLabel,
    fleet: list[Organization],
    fault: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 20)
    fake.control("script", api=[{"path": "/v1/invoices*", "skip": 1, **fault}])

    run_sync(acme)

    assert Invoice.objects.count() == 7


def test_an_outage_puts_the_run_off(
    fake: FakeStripe,
    acme: WhiteLabel,
    fleet: list[Organization],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 0.05)
    fake.control("script", api=[{"do": "error", "path": "/v1/sub*", "times": 0}])
    asked = runs_sync.start(acme)

    assert reading_sync.advance(asked.pk) is False

    asked.refresh_from_db()
    assert (asked.state, asked.stage) == ("pending", "subscriptions")
    assert asked.error_code == "stripe.unavailable"
    assert find_forgotten(10) == []
    fake.control("script", api=[])
    with time_machine.travel(asked.next_attempt_at, tick=False):
        assert find_forgotten(10) == [asked.pk]
        reading_sync.advance(asked.pk)
    assert Subscription.objects.count() == 7


def test_what_cannot_be_read_is_counted(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    bad = fake.objects("subscription")[3]["id"]
    fake.change(bad, currency="xyz")

    found = run_sync(acme)

    assert found.errors == 1
    assert Subscription.objects.count() == 6


# --- whose, and asked by whom -------------------------------------------------------


def test_a_run_touches_its_own_white_label(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    run_sync(WhiteLabel.objects.get(slug="decoy"))

    assert [sub.organization.external_id for sub in Subscription.objects.all()] == [
        "org-7"
    ]
    assert not BillingAccount.objects.filter(organization__in=fleet).exists()


def test_asked_twice_it_is_one_run(acme: WhiteLabel) -> None:
    first = runs_sync.start(acme, requested_by="ann")

    assert runs_sync.start(acme, requested_by="bob").pk == first.pk
    assert len(start_all()) == WhiteLabel.objects.count()


def test_progress_is_told(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    run_sync(acme)
    asked = runs_sync.start(acme)
    SyncRun.objects.filter(pk=asked.pk).update(
        state="running", done=10, total=40, started_at=NOW
    )

    with time_machine.travel(NOW.timestamp() + 5, tick=False):
        told = last_syncs([acme]).get(acme.pk)

    assert told
    assert (told.rate, told.percent, told.is_unfinished) == (2.0, 25, True)
    assert told.remaining
    assert told.remaining.total_seconds() == 15
    assert get_sync(asked.pk, [WhiteLabel.objects.get(slug="decoy")]) is None


def test_what_was_ours_and_cannot_be_read_any_more_is_counted(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    """Each of a kind, and a new subscription of a price in an unknown currency."""
    run_sync(acme)
    customer, sub, invoice = (
        fake.objects(kind)[3]["id"] for kind in ("customer", "subscription", "invoice")
    )
    for id_, change in (
        (customer, {"created": 5}),
        (sub, {"currency": "xyz"}),
        (invoice, {"status": "lost"}),
    ):
        fake.change(id_, **change)
    Invoice.objects.filter(stripe_id=invoice).update(status="open")
    odd = make_price(fake, 700, tier="odd").id
    subscribe(fake, customer_of(fake, make_organization(acme, "odd")), odd)
    fake.change(odd, currency="xyz")

    found = run_sync(acme)

    assert found.errors == 4
    assert Subscription.objects.get(stripe_id=sub).status == "active"
    assert Discrepancy.objects.get(resolved_at=None).kind == "unknown_price"


def test_runs_that_begin_together_ask_once(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    """Each white label is as by a run of its own, whoever else reads."""
    decoy = WhiteLabel.objects.get(slug="decoy")
    run_sync(acme)
    one = fake.client().v1.subscriptions
    lost = Subscription.objects.order_by("id")[0].stripe_id
    one.cancel(lost)
    alone = _requests(fake, lambda: run_sync(acme))
    Subscription.objects.filter(stripe_id=lost).update(status="active")
    BillingAccount.objects.filter(organization__white_label=decoy).update(
        stripe_id=None
    )

    asked = [runs_sync.start(acme), runs_sync.start(decoy)]
    together = _requests(fake, lambda: reading_sync.advance(asked[0].pk))

    assert together == alone
    for run in asked:
        run.refresh_from_db()
    assert [run.state for run in asked] == ["done", "done"]
    assert asked[0].done == asked[1].done > 0
    assert [run.written for run in asked] == [1, 3]
    discrepancy = Discrepancy.objects.filter(stripe_id=lost).order_by("-id")[0]
    assert (discrepancy.run, discrepancy.kind) == (asked[0], "status")
    assert Subscription.objects.get(organization__white_label=decoy).status == "active"
    assert not SyncSeen.objects.exists()


def _requests(fake: FakeStripe, what: Callable[[], object]) -> int:
    before = len(fake.requests())
    what()
    return len(fake.requests()) - before


def test_trouble_of_one_white_label_is_not_the_others(
    fake: FakeStripe,
    acme: WhiteLabel,
    fleet: list[Organization],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    asked = {one.slug: runs_sync.start(one) for one in (decoy, acme)}
    stage = stages.STAGES["subscriptions"]

    def take(items: Any, fetch: Any) -> Any:
        if fetch.white_label_id == decoy.pk:
            raise ValueError("broken")
        return stage.take(items, fetch)

    broken = dataclasses.replace(stage, take=take)
    monkeypatch.setitem(stages.STAGES, "subscriptions", broken)
    reading_sync.advance(asked["decoy"].pk)

    for run in asked.values():
        run.refresh_from_db()
    states = {slug: (run.state, run.stage) for slug, run in asked.items()}
    assert states == {
        "acme": ("done", "ended"),
        "decoy": ("pending", "subscriptions"),
    }
    monkeypatch.undo()
    with time_machine.travel(asked["decoy"].next_attempt_at, tick=False):
        reading_sync.advance(asked["decoy"].pk)
    assert Subscription.objects.count() == 8


def test_the_timetable_starts_one_for_each(
    fake: FakeStripe, acme: WhiteLabel, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as enqueues:
        tasks.start_syncs()

    assert SyncRun.objects.unfinished().count() == len(enqueues) == 2


_KILLED = """
import os, signal, sys
import django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[3]
django.setup()
from billing.stripe.commands.sync import reading, runs, stages
save, left = runs.save, [int(sys.argv[2])]
def dying(party, **place):
    save(party, **place)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
runs.save = dying
reading.advance(int(sys.argv[1]))
"""


@pytest.mark.usefixtures("committed")
def test_killed_with_nine_it_goes_on(fake: FakeStripe) -> None:
    """A process of its own, killed after its third save; another goes on."""
    acme = _committed_fleet(fake)
    asked = runs_sync.start(acme)
    name = str(connection.settings_dict["NAME"])
    environ = {
        **os.environ,
        "STRIPE_SECRET_KEY": "sk_test_fake",
        "STRIPE_API_BASE": fake.url,
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    died = subprocess.run(
        [sys.executable, "-c", _KILLED, str(asked.pk), "3", name],
        env=environ,
        check=False,
        capture_output=True,
    )
    assert died.returncode == -9, died.stderr
    asked.refresh_from_db()
    assert (asked.state, asked.stage) == ("running", "prices")

    SyncRun.objects.update(leased_until=NOW)
    reading_sync.advance(asked.pk)

    asked.refresh_from_db()
    assert (asked.state, Subscription.objects.count()) == ("done", 1)
    assert our_state() == their_state(fake)


def _committed_fleet(fake: FakeStripe) -> WhiteLabel:
    acme = make_white_label("acme")
    customer = customer_of(fake, make_organization(acme, "org-7"))
    subscribe(fake, customer, make_price(fake).id)
    return acme
