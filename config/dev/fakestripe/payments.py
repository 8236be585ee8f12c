"""Payments of invoices: a charge, and the invoice payment that links the two."""

from config.dev.fakestripe import errors, lists, params, shapes
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.store import Json, new_id


def pay(account: Account, invoice: Json, amount: int) -> None:
    """Charge a part or all of what remains; the invoice is changed, not saved."""
    if not amount:
        return
    intent = new_id("pi")
    charge = shapes.charge(
        account.now(),
        amount=amount,
        currency=invoice["currency"],
        customer=invoice["customer"],
        payment_intent=intent,
    )
    account.add(charge, "charge.succeeded")
    payment = shapes.invoice_payment(
        account.now(),
        amount=amount,
        currency=invoice["currency"],
        intent=intent,
        invoice=invoice["id"],
    )
    account.add(payment, "invoice_payment.paid")
    invoice["_payments"] = [*invoice.get("_payments", []), payment]
    invoice["amount_paid"] += amount
    invoice["amount_remaining"] = max(invoice["amount_remaining"] - amount, 0)


def retrieve_charge(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("charge", call.ids[0])


def list_charges(account: Account, call: Call) -> Json:
    spec = {"customer": params.text, "payment_intent": params.text}
    given = params.read(call.tree, lists.PAGING | lists.CREATED | spec)
    filters = lists.Filter()
    filters.equal(given, "customer")
    equal_field(filters, given, "payment_intent")
    filters.span(given)
    return lists.page(account, "charge", "/v1/charges", given, filters)


def retrieve_invoice_payment(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("invoice_payment", call.ids[0])


def list_invoice_payments(account: Account, call: Call) -> Json:
    spec = {"invoice": params.text, "status": params.text}
    given = params.read(call.tree, lists.PAGING | lists.CREATED | spec)
    filters = lists.Filter()
    filters.equal(given, "invoice", "status")
    filters.span(given)
    return lists.page(
        account, "invoice_payment", "/v1/invoice_payments", given, filters
    )


def equal_field(filters: lists.Filter, given: Json, name: str) -> None:
    """Filter by a field that has no column."""
    if given.get(name):
        filters.add(f"json_extract(body, '$.{name}') = ?", given[name])


def find_charge(account: Account, given: Json) -> Json:
    """Return the charge that is named by its id or its payment intent."""
    if charge_id := given.pop("charge", None):
        given.pop("payment_intent", None)
        return account.get("charge", charge_id, param="charge")
    intent = given.pop("payment_intent", None)
    if not intent:
        raise errors.missing("charge")
    rows = account.store.select(
        "kind = 'charge' and json_extract(body, '$.payment_intent') = ?", (intent,)
    )
    if not rows:
        raise errors.no_such("payment_intent", intent, param="payment_intent")
    return rows[0]
