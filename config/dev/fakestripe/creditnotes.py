"""Credit notes: of an open invoice they lower what remains, of a paid one they repay.

A note of a paid invoice says where its amount goes: refunded, kept as the customer's
credit, or paid back outside of Stripe.
"""

from typing import Any

from config.dev.fakestripe import (
    collecting,
    errors,
    lists,
    params,
    refunds,
    shapes,
)
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.store import Json

_NEW: params.Spec = {
    "amount": params.amount,
    "credit_amount": params.amount,
    "invoice": params.text,
    "memo": params.text,
    "metadata": params.metadata,
    "out_of_band_amount": params.amount,
    "reason": params.choice(
        "duplicate", "fraudulent", "order_change", "product_unsatisfactory"
    ),
    "refund_amount": params.amount,
}
_REPAID = ("credit_amount", "out_of_band_amount", "refund_amount")


def create(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _NEW, required=["invoice", "amount"])
    invoice = account.get("invoice", given.pop("invoice"), param="invoice")
    if invoice["status"] not in {"open", "paid", "uncollectible"}:
        raise errors.refused(
            "Credit notes can only be issued for finalized invoices.", param="invoice"
        )
    repaid = {name: given.pop(name, 0) for name in _REPAID}
    before = min(given["amount"], invoice["amount_remaining"])
    _check(invoice, given["amount"], given["amount"] - before, repaid)
    made = shapes.credit_note(
        account.now(),
        customer=invoice["customer"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        number=_number(account, invoice),
        pre_payment_amount=before,
        post_payment_amount=given["amount"] - before,
        out_of_band_amount=repaid["out_of_band_amount"] or None,
        refunds=_refund(account, invoice, repaid["refund_amount"]),
        **given,
    )
    account.add(made, "credit_note.created")
    _give_credit(account, invoice, repaid["credit_amount"])
    _apply(account, invoice, made, sign=1)
    return made


def _check(invoice: Json, amount: int, after: int, repaid: dict[str, int]) -> None:
    """Refuse a note of more than the invoice has, or whose parts do not add up."""
    credited = (
        invoice["pre_payment_credit_notes_amount"]
        + invoice["post_payment_credit_notes_amount"]
    )
    if not 0 < amount <= invoice["total"] - credited:
        raise errors.invalid(
            "amount", "The sum of credit notes must not exceed the invoice's total."
        )
    if sum(repaid.values()) != after:
        raise errors.refused(
            "The sum of refund_amount, credit_amount and out_of_band_amount must equal"
            " the post payment amount."
        )


def _number(account: Account, invoice: Json) -> str:
    count = len(
        account.store.select("kind = 'credit_note' and invoice = ?", (invoice["id"],))
    )
    return f"{invoice['number']}-CN-{count + 1:02}"


def _refund(account: Account, invoice: Json, amount: int) -> list[Json]:
    """Refund an amount of the invoice's last payment."""
    if not amount:
        return []
    for payment in reversed(invoice.get("_payments", [])):
        intent = payment["payment"]["payment_intent"]
        [charge] = account.store.select(
            "kind = 'charge' and json_extract(body, '$.payment_intent') = ?", (intent,)
        )
        made = refunds.refund(account, charge, amount=amount)
        return [shapes.refund_of_note(made)]
    raise errors.refused("The invoice has no payment to refund.")


def _give_credit(account: Account, invoice: Json, amount: int) -> None:
    if amount:
        customer = account.get("customer", invoice["customer"])
        balance = {"balance": customer["balance"] - amount}
        account.change(customer | balance, "customer.updated")


def _apply(account: Account, invoice: Json, note: Json, *, sign: int) -> None:
    """Move the amounts of a note on its invoice; one that is settled is paid."""
    before, after = note["pre_payment_amount"], note["post_payment_amount"]
    invoice["pre_payment_credit_notes_amount"] += sign * before
    invoice["post_payment_credit_notes_amount"] += sign * after
    invoice["amount_remaining"] -= sign * before
    account.change(invoice, "invoice.updated")
    if invoice["status"] == "open" and not invoice["amount_remaining"]:
        collecting.settle(account, invoice)


def void(account: Account, call: Call) -> Json:
    """Void a note of an invoice that is still open."""
    params.read(call.tree, {})
    note = account.get("credit_note", call.ids[0])
    invoice = account.get("invoice", note["invoice"])
    if note["status"] == "void" or invoice["status"] != "open":
        raise errors.refused("Only credit notes of open invoices can be voided.")
    note |= {"status": "void", "voided_at": account.now()}
    account.change(note, "credit_note.voided")
    _apply(account, invoice, note, sign=-1)
    return note


def retrieve(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("credit_note", call.ids[0])


def list_(account: Account, call: Call) -> Json:
    spec: dict[str, Any] = {"customer": params.text, "invoice": params.text}
    given = params.read(call.tree, lists.PAGING | lists.CREATED | spec)
    filters = lists.Filter()
    filters.equal(given, "customer", "invoice")
    filters.span(given)
    return lists.page(account, "credit_note", "/v1/credit_notes", given, filters)
