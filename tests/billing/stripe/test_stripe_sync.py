"""Full sync of a white label against the fake Stripe, with crashes and outages."""

import dataclasses
import os
import signal
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine

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
from billing.stripe.commands.sync import execution, runs, stages
from billing.stripe.commands.sync.runs import find_forgotten, start_all
from billing.stripe.queries.sync_runs import get_sync, last_syncs
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_organization, make_white_label
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.forks import fork
from tests.support.snapshots import snapshot
from tests.support.stripe_mirror import (
    customer_of,
    history,
    mirrored_state,
    run_sync,
    stripe_state,
    subscribe,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("frozen")]


@pytest.fixture
def fake(fake_stripe: FakeStripe) -> Iterator[FakeStripe]:
    """Fake Stripe whose faults end with the test."""
    yield fake_stripe
    fake_stripe.control("script", api=[])


@pytest.fixture
@snapshot
def price(fake: FakeStripe) -> str:
    """Id of a monthly price."""
    return make_price(fake, 2900).id


@pytest.fixture
@snapshot
def fleet(fake: FakeStripe, acme: WhiteLabel, price: str) -> list[Organization]:
    """Seven organizations with a subscription, and a decoy of another white label."""
    organizations = [make_organization(acme, f"fleet-{n}") for n in range(7)]
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    for organization in [*organizations, decoy]:
        subscribe(fake, customer_of(fake, organization), price)
    return organizations


def test_customer_subscription_invoice_and_price_are_mirrored_once(
    fake: FakeStripe, acme: WhiteLabel, org: Organization, price: str
) -> None:
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    customer = customer_of(fake, org)
    sub = subscribe(fake, customer, price)
    subscribe(fake, customer_of(fake, decoy), price)

    first = run_sync(acme)

    assert BillingAccount.objects.get(organization=org).stripe_id == customer
    row = Subscription.objects.get()
    assert (row.organization, row.stripe_id) == (org, sub)
    assert (row.tier, str(row.cycle), row.status) == ("growth", "monthly", "active")
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


def test_every_state_of_a_subscription_is_mirrored(
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
    assert {str(row.cycle) for row in rows.values()} == {"monthly", "yearly"}
    assert mirrored_state() == stripe_state(fake)
    assert run_sync(acme).written == 0


def test_changes_without_webhooks_are_recorded_and_repaired(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    run_sync(acme)
    subs = list(Subscription.objects.order_by("id").values_list("stripe_id", flat=True))
    scale = make_price(fake, 9900, tier="scale").id
    client = fake.client().v1.subscriptions
    client.cancel(subs[0])
    item = client.retrieve(subs[1]).items.data[0].id
    client.update(subs[1], {"items": [{"id": item, "price": scale}]})
    fake.advance(days=31)

    run = run_sync(acme)

    assert run.discrepancy_count == Discrepancy.objects.count() > 0
    kinds = set(
        Discrepancy.objects.filter(stripe_id=subs[1]).values_list("kind", flat=True)
    )
    assert kinds == {"tier", "price", "period"}
    tier = Discrepancy.objects.get(stripe_id=subs[1], kind="tier")
    assert (tier.orgdesk_value, tier.stripe_value, tier.resolved_by) == (
        "growth",
        "scale",
        "ann",
    )
    assert tier.run == run
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    assert Subscription.objects.get(stripe_id=subs[0]).status == "canceled"
    in_stripe = stripe_state(fake)
    assert all(in_stripe[id_] == state for id_, state in mirrored_state().items())
    before = history()
    assert run_sync(acme).written == 0
    assert history() == before


def test_run_without_repairs_records_only(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    run_sync(acme)
    before = history(), mirrored_state()
    subscription = Subscription.objects.first()
    assert subscription
    fake.client().v1.subscriptions.cancel(subscription.stripe_id)

    run = run_sync(acme, repairs=False)

    assert (run.written, run.discrepancy_count) == (0, 1)
    assert (history(), mirrored_state()) == before
    assert Discrepancy.objects.get(resolved_at=None).stripe_value == "canceled"


def test_run_continues_from_the_page_where_it_was_killed(
    fake: FakeStripe,
    acme: WhiteLabel,
    fleet: list[Organization],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker dies after the second page of invoices was saved."""
    _pages_of(2, monkeypatch)
    run = runs.start(acme)
    pages = 0
    save = runs.save

    def dying(batch: list[SyncRun], **progress: Any) -> None:
        nonlocal pages
        save(batch, **progress)
        pages += batch[0].stage == SyncRun.Stage.INVOICES
        if pages == 2:
            raise SystemExit(9)

    monkeypatch.setattr(runs, "save", dying)
    with pytest.raises(SystemExit):
        execution.advance(run.pk)
    monkeypatch.setattr(runs, "save", save)
    run.refresh_from_db()
    assert (run.state, run.stage) == ("running", "invoices")
    assert execution.advance(run.pk) is False  # it still has its lease
    requests_before = len(fake.requests("/v1/customers"))

    with time_machine.travel(NOW + SyncRun.retries.lease, tick=False):
        assert find_forgotten(10) == [run.pk]
        execution.advance(run.pk)

    run.refresh_from_db()
    assert (run.state, run.errors) == ("done", 0)
    assert len(fake.requests("/v1/customers")) == requests_before
    assert Invoice.objects.count() == Subscription.objects.count() == 7
    assert not SyncSeen.objects.exists()


def test_long_run_is_executed_in_slices(
    fake: FakeStripe,
    acme: WhiteLabel,
    fleet: list[Organization],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each slice reads one page of three objects."""
    _pages_of(3, monkeypatch)
    monkeypatch.setattr(execution, "SLICE_SECONDS", -1)
    run, slices = runs.start(acme), 1
    while execution.advance(run.pk):
        run.refresh_from_db()
        assert (run.state, run.leased_until) == ("running", NOW)
        slices += 1

    assert slices == 1 + 2 + 0 + 2 + 2  # the last page of each stage begins the next
    assert Invoice.objects.count() == 7


def test_worker_that_lost_its_lease_stops(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    run = runs.start(acme)
    batch = runs.claim(run.pk)
    assert batch
    with time_machine.travel(NOW + SyncRun.retries.lease, tick=False):
        assert runs.claim(run.pk)

    with pytest.raises(runs.LeaseLost):
        runs.save(batch, cursor="cus_x")


def test_objects_created_during_a_run_are_mirrored(
    fake: FakeStripe,
    acme: WhiteLabel,
    fleet: list[Organization],
    price: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An object of the first second and one after the cursor's deletion are read."""
    _pages_of(3, monkeypatch)
    late = [make_organization(acme, f"late-{n}") for n in range(2)]
    save, created = runs.save, list[str]()

    def save_and_create(batch: list[SyncRun], **progress: Any) -> None:
        save(batch, **progress)
        run = batch[0]
        if run.stage == SyncRun.Stage.CUSTOMERS and not created:
            created.append(customer_of(fake, late[0]))
            fake.advance(hours=0.01)
            created.append(customer_of(fake, late[1]))
            fake.client().v1.customers.delete(run.cursor)
        if run.stage == SyncRun.Stage.INVOICES and len(created) == 2:
            created.append(subscribe(fake, created[1], price))

    monkeypatch.setattr(runs, "save", save_and_create)
    run_sync(acme)

    linked = BillingAccount.objects.filter(organization__in=late)
    assert set(linked.values_list("stripe_id", flat=True)) == set(created[:2])
    assert Subscription.objects.filter(organization__in=fleet).count() >= 6


def _pages_of(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lists have pages of this size."""
    parameters = calls.list_parameters
    monkeypatch.setattr(
        calls, "list_parameters", lambda **part: parameters(**part) | {"limit": size}
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
def test_run_survives_faults_of_the_network(
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


def test_run_is_retried_after_an_outage(
    fake: FakeStripe,
    acme: WhiteLabel,
    fleet: list[Organization],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 0.05)
    fake.control("script", api=[{"do": "error", "path": "/v1/sub*", "times": 0}])
    run = runs.start(acme)

    assert execution.advance(run.pk) is False

    run.refresh_from_db()
    assert (run.state, run.stage) == ("pending", "subscriptions")
    assert run.error_code == "stripe.unavailable"
    assert find_forgotten(10) == []
    fake.control("script", api=[])
    with time_machine.travel(run.next_attempt_at, tick=False):
        assert find_forgotten(10) == [run.pk]
        execution.advance(run.pk)
    assert Subscription.objects.count() == 7


def test_malformed_object_counts_as_an_error(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    bad = fake.objects("subscription")[3]["id"]
    fake.change(bad, currency="xyz")

    run = run_sync(acme)

    assert run.errors == 1
    assert Subscription.objects.count() == 6


def test_run_mirrors_only_its_white_label(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    run_sync(WhiteLabel.objects.get(slug="decoy"))

    assert [sub.organization.external_id for sub in Subscription.objects.all()] == [
        "org-7"
    ]
    assert not BillingAccount.objects.filter(organization__in=fleet).exists()


def test_second_start_returns_the_unfinished_run(acme: WhiteLabel) -> None:
    first = runs.start(acme, requested_by="ann")

    assert runs.start(acme, requested_by="bob").pk == first.pk
    assert len(start_all()) == WhiteLabel.objects.count()


def test_progress_has_rate_and_remaining_time(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    run_sync(acme)
    run = runs.start(acme)
    SyncRun.objects.filter(pk=run.pk).update(
        state="running", done=10, total=40, started_at=NOW
    )

    with time_machine.travel(NOW.timestamp() + 5, tick=False):
        progress = last_syncs([acme]).get(acme.pk)

    assert progress
    assert (progress.rate, progress.percent) == (2.0, 25)
    assert progress.is_unfinished
    assert progress.remaining
    assert progress.remaining.total_seconds() == 15
    assert get_sync(run.pk, [WhiteLabel.objects.get(slug="decoy")]) is None


def test_mirrored_objects_that_became_malformed_count_as_errors(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    """A new subscription to a price in an unknown currency counts as one, too."""
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

    run = run_sync(acme)

    assert run.errors == 4
    assert Subscription.objects.get(stripe_id=sub).status == "active"
    rows = Discrepancy.objects.filter(resolved_at=None)
    assert sorted(rows.values_list("kind", flat=True)) == [
        "unknown_price",
        *4 * ["unreadable"],
    ]


def test_runs_that_begin_together_read_the_lists_once(
    fake: FakeStripe, acme: WhiteLabel, fleet: list[Organization]
) -> None:
    """The result for each white label is the same as that of a separate run."""
    decoy = WhiteLabel.objects.get(slug="decoy")
    run_sync(acme)
    lost = Subscription.objects.order_by("id")[0].stripe_id
    fake.client().v1.subscriptions.cancel(lost)
    alone = _count_requests(fake, lambda: run_sync(acme))
    Subscription.objects.filter(stripe_id=lost).update(status="active")
    BillingAccount.objects.filter(organization__white_label=decoy).update(
        stripe_id=None
    )

    started = [runs.start(acme), runs.start(decoy)]
    together = _count_requests(fake, lambda: execution.advance(started[0].pk))

    assert together == alone
    for run in started:
        run.refresh_from_db()
    assert [run.state for run in started] == ["done", "done"]
    assert started[0].done == started[1].done > 0
    assert [run.written for run in started] == [1, 3]
    discrepancy = Discrepancy.objects.filter(stripe_id=lost).order_by("-id")[0]
    assert (discrepancy.run, discrepancy.kind) == (started[0], "status")
    assert Subscription.objects.get(organization__white_label=decoy).status == "active"
    assert not SyncSeen.objects.exists()


def _count_requests(fake: FakeStripe, function: Callable[[], object]) -> int:
    """Return how many requests to Stripe a function makes."""
    before = len(fake.requests())
    function()
    return len(fake.requests()) - before


def test_error_of_one_white_label_does_not_stop_the_others(
    fake: FakeStripe,
    acme: WhiteLabel,
    fleet: list[Organization],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    started = {label.slug: runs.start(label) for label in (decoy, acme)}
    stage = stages.STAGES["subscriptions"]

    def mirror(items: Any, context: Any) -> Any:
        if context.white_label_id == decoy.pk:
            raise ValueError("broken")
        return stage.mirror(items, context)

    broken = dataclasses.replace(stage, mirror=mirror)
    monkeypatch.setitem(stages.STAGES, "subscriptions", broken)
    execution.advance(started["decoy"].pk)

    for run in started.values():
        run.refresh_from_db()
    states = {slug: (run.state, run.stage) for slug, run in started.items()}
    assert states == {
        "acme": ("done", "ended"),
        "decoy": ("pending", "subscriptions"),
    }
    monkeypatch.undo()
    with time_machine.travel(started["decoy"].next_attempt_at, tick=False):
        execution.advance(started["decoy"].pk)
    assert Subscription.objects.count() == 8


def test_schedule_starts_a_run_for_each_white_label(
    fake: FakeStripe, acme: WhiteLabel, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as enqueues:
        tasks.start_syncs()

    assert SyncRun.objects.unfinished().count() == len(enqueues) == 2


def _advance_until_killed(run_id: int, *, saves: int) -> None:
    """Advance a run in a fork, which is killed after this number of saves."""
    save, left = runs.save, iter(range(saves - 1, -1, -1))

    def dying(*args: Any, **progress: Any) -> None:
        save(*args, **progress)
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def advance() -> None:
        runs.save = dying
        execution.advance(run_id)

    _, status = os.waitpid(fork(advance), 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


@pytest.mark.process
@pytest.mark.usefixtures("committed")
def test_run_continues_after_its_process_was_killed(fake: FakeStripe) -> None:
    """The process is killed after its third save; another worker continues."""
    acme = _committed_fleet(fake)
    run = runs.start(acme)
    _advance_until_killed(run.pk, saves=3)
    run.refresh_from_db()
    assert (run.state, run.stage) == ("running", "prices")

    SyncRun.objects.update(leased_until=NOW)
    execution.advance(run.pk)

    run.refresh_from_db()
    assert (run.state, Subscription.objects.count()) == ("done", 1)
    assert mirrored_state() == stripe_state(fake)


def _committed_fleet(fake: FakeStripe) -> WhiteLabel:
    """Return a white label with one subscribed organization."""
    acme = make_white_label("acme")
    customer = customer_of(fake, make_organization(acme, "org-7"))
    subscribe(fake, customer, make_price(fake).id)
    return acme
