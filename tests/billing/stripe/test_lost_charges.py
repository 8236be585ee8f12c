"""Tests of charges that Stripe's invoices lost: seen, decided about, charged once."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError
from django.test import Client
from django.utils import timezone

from billing.errors import NothingMissing
from billing.ledger.commands.charges import send_charges
from billing.ledger.commands.credits import grant_credit
from billing.ledger.commands.usage_invoices import make_usage_invoice
from billing.ledger.queries.charges import list_organizations_without_draft
from billing.ledger.queries.credits import get_balances
from billing.ledger.queries.reconciliation import Cause, reconcile_period
from billing.models import (
    Charge,
    ChargeDecision,
    ChargeLine,
    CreditEntry,
    Discrepancy,
    Invoice,
    Subscription,
)
from billing.needs_action.kinds import ReasonKind
from billing.needs_action.queries.overview import needs_action
from billing.stripe.commands.charge_decisions import decide_charge
from billing.stripe.commands.mirror.refetches import refetch_invoice
from orgs.errors import KeyReused
from orgs.models import Organization, WhiteLabel
from tests.factories import make_user
from tests.support.corrections import APPLY, run
from tests.support.drafts import Draft
from tests.support.stripe_mirror import run_sync

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
WHO: dict[str, Any] = {"note": "why not", "by": "ann"}
AGAIN, OFF, RETURN = ChargeDecision.Kind
USAGE = Decimal("27.51")


def bill(draft: Draft, *, credit: int = 0) -> str:
    """Put the period on the draft; return the draft's id."""
    if credit:
        id_ = draft.organization.id
        grant_credit(id_, kind="credit", amount=Decimal(credit), **WHO)
    period = draft.close()
    for _ in range(2):  # usage, then the credit that it lets through
        send_charges(period.id)
        draft.pass_time(hours=0.09)
    return draft.invoice.id


def finalize_and_void(draft: Draft, id_: str) -> None:
    draft.fake.pay("fail")
    draft.fake.client().v1.invoices.finalize_invoice(id_)
    draft.fake.client().v1.invoices.void_invoice(id_)


def remove_line(draft: Draft, product: str = "gpt") -> None:
    item_id = Charge.objects.get(product=product).stripe_id
    assert item_id
    draft.fake.client().v1.invoice_items.delete(item_id)


def edit_line(draft: Draft, cents: int = 1000) -> None:
    item_id = Charge.objects.get(product="gpt").stripe_id
    assert item_id
    draft.fake.client().v1.invoice_items.update(item_id, {"amount": cents})


def on_invoices(organization: Organization) -> tuple[Any, Any, bool]:
    result = reconcile_period(organization, 1)
    causes = {reason.cause for reason in result.steps[-1].reasons}
    return result.steps[-1].amount, causes, result.is_reconciled


def open_amounts() -> list[tuple[str, Decimal | None]]:
    rows = Discrepancy.objects.filter(kind="charges", resolved_at=None)
    return list(rows.values_list("stripe_id", "amount"))


LOSSES: list[tuple[Callable[[Draft], Any], str, str, Cause]] = [
    (remove_line, "15.00", "12.51", Cause.LINE_REMOVED),
    (edit_line, "5.00", "22.51", Cause.LINE_CHANGED),
    (
        lambda draft: finalize_and_void(draft, draft.invoice.id),
        "27.51",
        "0",
        Cause.INVOICE_VOIDED,
    ),
    (
        lambda draft: draft.fake.control("remove", id=draft.invoice.id),
        "27.51",
        "0",
        Cause.INVOICE_MISSING,
    ),
]


@pytest.mark.parametrize("reads", ["event", "sync"])
@pytest.mark.parametrize("loss", LOSSES)
def test_what_an_invoice_lost_is_a_discrepancy_with_its_amount(
    draft: Draft,
    acme: WhiteLabel,
    loss: tuple[Callable[[Draft], Any], str, str, Cause],
    reads: str,
) -> None:
    lose, missing, left, cause = loss
    id_ = bill(draft)
    refetch_invoice(id_)
    assert on_invoices(draft.organization) == (USAGE, set(), True)
    assert open_amounts() == []
    lose(draft)

    for _ in range(2):
        refetch_invoice(id_) if reads == "event" else run_sync(acme)
        if cause is Cause.INVOICE_MISSING:
            break

    amount = Decimal(left)
    assert on_invoices(draft.organization) == (amount, {cause}, False)
    assert open_amounts() == [(id_, Decimal(missing))]
    reasons = needs_action([acme.pk], now=timezone.now()).organizations[0].reasons
    assert (reasons[0].kind, reasons[0].differences) == (
        ReasonKind.UNBILLED,
        {"usd": Decimal(missing)},
    )


def test_uncollectible_usage_is_a_discrepancy_until_it_is_written_off(
    draft: Draft,
) -> None:
    id_ = bill(draft)
    draft.fake.pay("fail")
    draft.fake.client().v1.invoices.finalize_invoice(id_)
    draft.fake.client().v1.invoices.mark_uncollectible(id_)
    refetch_invoice(id_)
    assert on_invoices(draft.organization)[1:] == ({Cause.UNCOLLECTIBLE}, False)

    for charge in Charge.objects.all():
        decide_charge(charge.pk, OFF, key="k", **WHO)

    assert on_invoices(draft.organization) == (0, {Cause.WRITTEN_OFF}, True)
    assert open_amounts() == []
    refetch_invoice(id_)
    assert open_amounts() == []


@pytest.mark.parametrize(
    ("cents", "missing", "credit"),
    [
        (5651, "27.51", 0),  # all of 29.00 + 27.51
        (1000, "4.87", 0),  # 10.00 in proportion: 2.21 and 2.66 of claude and gpt
        (4651, "27.51", 10),  # all of it, with a credit of 10.00 on it
    ],
)
def test_what_a_credit_note_took_off_is_a_discrepancy(
    draft: Draft, acme: WhiteLabel, cents: int, missing: str, credit: int
) -> None:
    id_ = bill(draft, credit=credit)
    draft.fake.client().v1.invoices.finalize_invoice(id_)
    draft.fake.change(id_, post_payment_credit_notes_amount=cents)

    refetch_invoice(id_)
    run_sync(acme)

    amount = sum(one[1] or 0 for one in open_amounts())
    assert amount == Decimal(missing) - credit
    assert on_invoices(draft.organization)[1:] == ({Cause.CREDIT_NOTE}, False)
    for charge in Charge.objects.all():
        kind = OFF if charge.kind == "usage" else RETURN
        decide_charge(charge.pk, kind, key="k", **WHO)
    assert open_amounts() == []
    assert get_balances(draft.organization).credit == credit


def test_a_void_invoice_returns_its_credit_once(draft: Draft, acme: WhiteLabel) -> None:
    id_ = bill(draft, credit=10)
    assert get_balances(draft.organization).credit == 0
    finalize_and_void(draft, id_)

    for _ in range(2):
        refetch_invoice(id_)
        run_sync(acme)

    assert get_balances(draft.organization).credit == 10
    assert CreditEntry.objects.count() == 3
    assert open_amounts() == [(id_, USAGE)]


def test_charged_again_the_returned_credit_pays_again(draft: Draft) -> None:
    id_ = bill(draft, credit=20)
    finalize_and_void(draft, id_)
    refetch_invoice(id_)
    assert get_balances(draft.organization).credit == 20

    for charge in Charge.objects.filter(kind="usage"):
        decide_charge(charge.pk, AGAIN, key="k", **WHO)
    assert get_balances(draft.organization).credit == 0
    assert on_invoices(draft.organization)[1:] == (
        {Cause.AWAITING_DRAFT, Cause.CREDIT, Cause.RETURNED},
        True,
    )
    draft.fake.pay("succeed")
    draft.wait(days=31)
    draft.close()
    period_id = Charge.objects.earliest("pk").period_id
    for _ in range(3):
        send_charges(period_id)
        draft.pass_time(hours=0.09)

    items = draft.items()
    assert sum(amount for _, amount in items) == USAGE - 20
    assert [amount for name, amount in items if name != "Credit"] == [
        Decimal("12.51"),
        Decimal("15.00"),
    ]
    refetch_invoice(draft.invoice.id)
    assert on_invoices(draft.organization)[::2] == (USAGE - 20, True)
    assert open_amounts() == []


def test_charged_again_it_is_on_the_next_draft_once(draft: Draft) -> None:
    id_ = bill(draft)
    finalize_and_void(draft, id_)
    refetch_invoice(id_)
    charge = Charge.objects.get(product="gpt")

    first = decide_charge(charge.pk, AGAIN, key="k", **WHO)
    assert decide_charge(charge.pk, AGAIN, key="k", **WHO) == first
    with pytest.raises(NothingMissing):
        decide_charge(charge.pk, AGAIN, key="other", **WHO)
    with pytest.raises(KeyReused):
        decide_charge(charge.pk, OFF, key="k", **WHO)
    assert open_amounts() == [(id_, Decimal("12.51"))]
    decide_charge(Charge.objects.get(product="claude").pk, OFF, key="k", **WHO)
    assert open_amounts() == []
    assert on_invoices(draft.organization) == (
        0,
        {Cause.AWAITING_DRAFT, Cause.WRITTEN_OFF},
        True,
    )

    draft.fake.pay("succeed")
    draft.wait(days=31)
    second = draft.close()
    send_charges(first.new_charge.period_id if first.new_charge else 0)
    send_charges(second.id)
    assert draft.items() == [("gpt", Decimal("15.00"))]
    refetch_invoice(draft.invoice.id)
    assert on_invoices(draft.organization) == (15, {Cause.WRITTEN_OFF}, True)
    row = next(
        row
        for row in reconcile_period(draft.organization, 1).rows
        if row.product == "gpt"
    )
    moved = sum(reason.amount for reason in row.reasons)
    assert row.daily + moved == row.on_invoice == 15


def test_the_new_charge_can_be_lost_and_charged_again(draft: Draft) -> None:
    refetch_invoice(bill(draft))
    remove_line(draft)
    refetch_invoice(draft.invoice.id)
    charge = Charge.objects.get(product="gpt")
    new = decide_charge(charge.pk, AGAIN, key="k", **WHO).new_charge
    assert new
    draft.wait(days=31)
    draft.close()
    send_charges(new.period_id)
    new.refresh_from_db()
    draft.fake.client().v1.invoice_items.delete(str(new.stripe_id))
    refetch_invoice(draft.invoice.id)
    assert open_amounts() == [(draft.invoice.id, Decimal("15.00"))]

    third = decide_charge(new.pk, AGAIN, key="k", **WHO).new_charge

    assert third
    assert (third.attempt_number, third.amount) == (3, Decimal("15.00"))
    assert on_invoices(draft.organization)[1:] == ({Cause.AWAITING_DRAFT}, True)


def test_a_reissued_invoice_has_the_charges_and_counts_them_once(draft: Draft) -> None:
    """Stripe copies the lines to a new draft, and voids the first when it is final."""
    id_ = bill(draft, credit=10)
    draft.fake.pay("fail")
    draft.fake.client().v1.invoices.finalize_invoice(id_)
    client = draft.fake.client().v1
    copy: Any = {"customer": draft.customer_id, "currency": "usd"}
    revision = client.invoices.create(copy | {"auto_advance": False}).id
    for charge in Charge.objects.all():
        client.invoice_items.create(
            copy
            | {
                "invoice": revision,
                "amount": int(charge.amount * 100),
                "metadata": {"orgdesk_charge": str(charge.pk)},
            }
        )
    client.invoices.finalize_invoice(revision)
    client.invoices.void_invoice(id_)
    draft.fake.change(id_, latest_revision=revision)

    refetch_invoice(id_)

    assert on_invoices(draft.organization) == (USAGE - 10, set(), True)
    assert get_balances(draft.organization).credit == 0
    assert open_amounts() == []


def test_a_line_that_was_copied_to_a_second_invoice_is_charged_twice(
    draft: Draft,
) -> None:
    id_ = bill(draft)
    charge = Charge.objects.get(product="gpt")
    client = draft.fake.client().v1
    copy: Any = {"customer": draft.customer_id, "currency": "usd"}
    other = client.invoices.create(copy | {"auto_advance": False}).id
    client.invoice_items.create(
        copy
        | {
            "invoice": other,
            "amount": 1500,
            "metadata": {"orgdesk_charge": str(charge.pk)},
        }
    )
    refetch_invoice(other)
    assert open_amounts() == [(id_, Decimal("-15.00"))]
    with pytest.raises(NothingMissing):
        decide_charge(charge.pk, AGAIN, key="a", **WHO)

    decide_charge(charge.pk, RETURN, key="b", **WHO)

    assert get_balances(draft.organization).credit == 15
    assert open_amounts() == []
    assert on_invoices(draft.organization)[2]


@pytest.mark.parametrize(
    ("second", "edited", "excess"),
    [(-2000, None, "20.00"), (None, -3000, "10.00")],
)
def test_an_invoice_that_gives_too_much_credit_returns_none(
    draft: Draft, second: int | None, edited: int | None, excess: str
) -> None:
    """The credit of 20.00 is on a second invoice too, or was edited to 30.00."""
    id_ = bill(draft, credit=20)
    charge = Charge.objects.get(kind="credit")
    client = draft.fake.client().v1
    if edited:
        client.invoice_items.update(str(charge.stripe_id), {"amount": edited})
    if second:
        copy: Any = {"customer": draft.customer_id, "currency": "usd"}
        id_ = client.invoices.create(copy | {"auto_advance": False}).id
        metadata = {"orgdesk_charge": str(charge.pk)}
        item = {"invoice": id_, "amount": second, "metadata": metadata}
        client.invoice_items.create(copy | item)
    refetch_invoice(id_)
    assert open_amounts() == [(draft.invoice.id, Decimal(excess))]
    for kind in (AGAIN, RETURN):
        with pytest.raises(NothingMissing):
            decide_charge(charge.pk, kind, key=kind, **WHO)

    decide_charge(charge.pk, OFF, key="k", **WHO)

    assert get_balances(draft.organization).credit == 0
    assert open_amounts() == []
    assert on_invoices(draft.organization)[2]


def test_another_customers_line_is_not_a_charge(
    draft: Draft, org: Organization
) -> None:
    bill(draft)
    charge = Charge.objects.get(product="gpt")
    other = Draft(draft.fake, draft.clock, org.white_label, "org-2")
    client = draft.fake.client().v1
    copy: Any = {"customer": other.customer_id, "currency": "usd"}
    invoice = client.invoices.create(copy | {"auto_advance": False}).id
    for text in (str(charge.pk), "x", "9" * 30):
        item = {
            "invoice": invoice,
            "amount": 1500,
            "metadata": {"orgdesk_charge": text},
        }
        client.invoice_items.create(copy | item)

    refetch_invoice(invoice)

    assert open_amounts() == []
    assert not ChargeLine.objects.filter(invoice_stripe_id=invoice).exists()


def test_many_lines_are_all_read(draft: Draft, acme: WhiteLabel) -> None:
    """Lists have ten lines of an invoice; an item of ours is the last of 150."""
    client = draft.fake.client().v1
    for number in range(140):
        client.invoice_items.create(
            {
                "customer": draft.customer_id,
                "invoice": draft.invoice.id,
                "amount": number,
                "currency": "usd",
            }
        )
    bill(draft)
    run_sync(acme)
    assert on_invoices(draft.organization) == (USAGE, set(), True)
    remove_line(draft)
    run_sync(acme)
    assert open_amounts() == [(draft.invoice.id, Decimal("15.00"))]

    draft.fake.client().v1.invoices.finalize_invoice(draft.invoice.id)
    run_sync(acme)
    before = len(draft.fake.requests(f"/v1/invoices/{draft.invoice.id}"))
    run_sync(acme)
    assert len(draft.fake.requests(f"/v1/invoices/{draft.invoice.id}")) == before
    Invoice.objects.update(has_final_lines=False)
    run_sync(acme, repairs=False)
    assert len(draft.fake.requests(f"/v1/invoices/{draft.invoice.id}")) == before


def test_a_line_that_cannot_be_read_stops_no_sync(
    draft: Draft, acme: WhiteLabel
) -> None:
    bill(draft)
    client, invoice = draft.fake.client().v1, draft.invoice.id
    item: Any = {"customer": draft.customer_id, "invoice": invoice, "currency": "usd"}
    for number in range(11):
        client.invoice_items.create(item | {"amount": number})
    draft.fake.damage_last("invoice", invoice, "lines")
    draft.fake.change(invoice, number="ACME-7")

    run = run_sync(acme)

    assert (run.errors, run_sync(acme).errors) == (1, 1)
    row = Discrepancy.objects.get(kind="unreadable")
    assert (row.stripe_id, row.organization) == (invoice, draft.organization)
    assert Invoice.objects.get(stripe_id=invoice).number == "ACME-7"
    assert on_invoices(draft.organization) == (USAGE, set(), True)


@pytest.fixture
def lost(draft: Draft) -> Charge:
    bill(draft)
    remove_line(draft)
    refetch_invoice(draft.invoice.id)
    return Charge.objects.get(product="gpt")


def test_the_page_decides_once(lost: Charge, draft: Draft, client: Client) -> None:
    label = draft.organization.white_label
    client.force_login(make_user("fin", "finance", white_label=label, is_staff=False))
    periods = f"/organizations/{draft.organization.pk}/periods/?period=1"
    assert f'data-decide="{lost.pk}"' in client.get(periods).content.decode()
    url = f"/organizations/{draft.organization.pk}/charges/{lost.pk}/"
    page = client.get(url)
    assert 'data-open-amount="15.00' in page.content.decode()
    key = page.context["form"]["idempotency_key"].value()
    sent = {"idempotency_key": key, "note": "typo", "decision": "charge_again"}

    assert client.post(url, {**sent, "note": " "}).status_code == 422
    assert client.post(url, {**sent, "decision": "return"}).status_code == 422
    assert [client.post(url, sent).status_code for _ in range(2)] == [302, 302]

    decision = ChargeDecision.objects.get()
    assert (decision.by, decision.note, decision.amount) == (
        "fin",
        "typo",
        Decimal(15),
    )
    assert open_amounts() == []
    assert 'data-decision="charge_again"' in client.get(url).content.decode()


def test_the_page_is_for_those_who_may_change_billing(
    lost: Charge, draft: Draft, client: Client
) -> None:
    url = f"/organizations/{draft.organization.pk}/charges/{lost.pk}/"
    sent = {"idempotency_key": "k", "note": "x", "decision": "write_off"}
    label, decoy = draft.organization.white_label, WhiteLabel.objects.get(slug="decoy")
    for name, role, its, status in (
        ("vic", "viewer", label, 403),
        ("eve", "operator", decoy, 404),
    ):
        user = make_user(name, role, white_label=its, is_staff=False)
        client.force_login(user)
        assert client.post(url, sent).status_code == status
    other = Organization.objects.get(white_label=label, external_id="org-7")
    client.force_login(make_user("fin", "finance", white_label=label, is_staff=False))
    others = url.replace(str(draft.organization.pk), str(other.pk), 1)
    assert client.get(others).status_code == 404
    assert client.post(others, sent).status_code == 404
    assert not ChargeDecision.objects.exists()


def test_the_command_lists_and_decides(lost: Charge) -> None:
    command = ("decide_charge", "--organization", "org-1", "--white-label", "acme")
    code, lines = run(*command)
    assert (code, lines[-1]) == (0, "differences 1")
    assert "difference 15: line removed" in lines[0]
    chosen = (*command, "--charge", str(lost.pk), "--decision", "write_off")
    assert run(*chosen)[1][-1] == "dry run: nothing saved"

    for _ in range(2):
        assert run(*chosen, *APPLY, "--key", "k")[1][-1] == "write_off 15 usd"
    with pytest.raises(CommandError, match="nothing_missing"):
        run(*chosen, *APPLY)
    with pytest.raises(CommandError, match="not found"):
        run(*command, "--charge", "0", "--decision", "write_off", *APPLY)
    assert ChargeDecision.objects.count() == 1


@pytest.mark.parametrize("white_label", ["acme", "decoy"])
def test_the_command_finds_no_charge_of_another_organization(
    lost: Charge, white_label: str
) -> None:
    command = ("decide_charge", "--organization", "org-7", "--charge", str(lost.pk))

    with pytest.raises(CommandError, match=f"Charge {lost.pk} not found"):
        run(*command, "--white-label", white_label, "--decision", "write_off", *APPLY)

    assert not ChargeDecision.objects.exists()


def test_an_item_that_waits_in_stripe_is_not_charged_again(
    lost: Charge, draft: Draft
) -> None:
    """Stripe may put a removed item back among those that wait."""
    waiting = draft.fake.client().v1.invoice_items.create(
        {"customer": draft.customer_id, "amount": 1500, "currency": "usd"}
    )
    Charge.objects.filter(pk=lost.pk).update(stripe_id=waiting.id)
    new = decide_charge(lost.pk, AGAIN, key="k", **WHO).new_charge
    assert new
    Charge.objects.filter(pk=new.pk).update(invoice_stripe_id=draft.invoice.id)

    send_charges(new.period_id)

    new.refresh_from_db()
    assert (new.state, new.error_code) == ("failed", "item_waiting")


@pytest.fixture
def refused(draft: Draft) -> Charge:
    """Charge usage of a void invoice again, which its credit of 10.00 pays again.

    The usage is refused; return the credit. Its draft is the current one.
    """
    finalize_and_void(draft, bill(draft, credit=10))
    refetch_invoice(draft.invoice.id)
    lost = Charge.objects.get(product="gpt")
    decide_charge(lost.pk, AGAIN, key="k", **WHO)
    draft.fake.pay("succeed")
    draft.wait(days=31)
    draft.close()
    waiting = draft.fake.client().v1.invoice_items.create(
        {"customer": draft.customer_id, "amount": 1500, "currency": "usd"}
    )
    Charge.objects.filter(pk=lost.pk).update(stripe_id=waiting.id)
    return Charge.objects.get(kind="credit", state="pending")


def test_a_credit_is_not_sent_without_the_usage_that_it_pays(
    refused: Charge, draft: Draft
) -> None:
    """Usage of a void invoice counts for no credit of another one."""
    for _ in range(3):
        send_charges(refused.period_id)
        draft.pass_time(hours=0.09)

    states = draft.states()
    assert ("gpt", "failed", "item_waiting") in states
    refused.refresh_from_db()
    assert (refused.state, refused.attempts) == ("pending", 0)
    assert refused.invoice_stripe_id == draft.invoice.id
    assert draft.items() == []


def test_a_credit_that_waits_moves_on_when_its_invoice_is_finalized(
    refused: Charge, draft: Draft
) -> None:
    send_charges(refused.period_id)
    draft.fake.client().v1.invoices.finalize_invoice(draft.invoice.id)
    draft.pass_time(hours=0.09)

    send_charges(refused.period_id)

    refused.refresh_from_db()
    assert (refused.state, refused.invoice_stripe_id) == ("pending", "")
    Subscription.objects.update(status="canceled")
    assert make_usage_invoice(draft.organization.pk) is None
    assert list_organizations_without_draft(10) == []


def test_two_credits_do_not_count_the_same_usage(draft: Draft) -> None:
    bill(draft, credit=10)
    credit = Charge.objects.get(kind="credit")
    again = Charge.objects.create(
        period=credit.period,
        kind="credit",
        cost=0,
        amount=-20,
        currency="usd",
        invoice_stripe_id=draft.invoice.id,
        attempt_number=2,
    )

    send_charges(again.period_id)

    assert [amount for name, amount in draft.items() if name == "Credit"] == [-10]
