"""Refunds and disputes of charges."""

from typing import Any

from config.dev.fakestripe import errors, lists, params, payments, shapes
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.store import Json

_REASON = params.choice("duplicate", "fraudulent", "requested_by_customer")
_NEW: params.Spec = {
    "amount": params.amount,
    "charge": params.text,
    "metadata": params.metadata,
    "payment_intent": params.text,
    "reason": _REASON,
}
_CLOSED = ("lost", "won", "warning_closed", "prevented")


def create(account: Account, call: Call) -> Json:
    """Refund a charge in part or, without an amount, all that is left of it."""
    given = params.read(call.tree, _NEW)
    return refund(account, payments.find_charge(account, given), **given)


def refund(account: Account, charge: Json, **given: Any) -> Json:
    left = charge["amount"] - charge["amount_refunded"]
    if not left:
        raise errors.refused(
            f"Charge {charge['id']} has already been refunded.",
            code="charge_already_refunded",
        )
    amount = given.pop("amount", None) or left
    if not 0 < amount <= left:
        raise errors.invalid(
            "amount", f"Refund amount ({amount}) is greater than unrefunded amount."
        )
    made = shapes.refund(
        account.now(),
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        payment_intent=charge["payment_intent"],
        **given,
    )
    refunded = charge["amount_refunded"] + amount
    charge |= {
        "amount_refunded": refunded,
        "refunded": refunded == charge["amount"],
    }
    account.add(made, "refund.created")
    account.change(charge, "charge.refunded")
    return made


def retrieve(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("refund", call.ids[0])


def list_(account: Account, call: Call) -> Json:
    spec = {"charge": params.text, "payment_intent": params.text}
    given = params.read(call.tree, lists.PAGING | lists.CREATED | spec)
    filters = lists.Filter()
    payments.equal_field(filters, given, "charge")
    payments.equal_field(filters, given, "payment_intent")
    filters.span(given)
    return lists.page(account, "refund", "/v1/refunds", given, filters)


def dispute(account: Account, given: Json) -> Json:
    """Open a dispute as a bank does, or move one to another status."""
    if dispute_id := given.get("id"):
        status = given["status"]
        event = "closed" if status in _CLOSED else "updated"
        changed = account.get("dispute", dispute_id) | {"status": status}
        return account.change(changed, f"charge.dispute.{event}")
    charge = account.get("charge", given["charge"])
    made = shapes.dispute(
        account.now(),
        amount=given.get("amount", charge["amount"]),
        charge=charge["id"],
        currency=charge["currency"],
        payment_intent=charge["payment_intent"],
        status=given.get("status", "needs_response"),
    )
    account.store.put(charge | {"disputed": True})
    return account.add(made, "charge.dispute.created")


def retrieve_dispute(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("dispute", call.ids[0])


def close_dispute(account: Account, call: Call) -> Json:
    """Accept a dispute: it is lost."""
    params.read(call.tree, {})
    stored = account.get("dispute", call.ids[0])
    if stored["status"] in _CLOSED:
        raise errors.refused("This dispute is already closed.")
    return account.change(stored | {"status": "lost"}, "charge.dispute.closed")


def list_disputes(account: Account, call: Call) -> Json:
    spec = {"charge": params.text, "payment_intent": params.text}
    given = params.read(call.tree, lists.PAGING | lists.CREATED | spec)
    filters = lists.Filter()
    payments.equal_field(filters, given, "charge")
    payments.equal_field(filters, given, "payment_intent")
    filters.span(given)
    return lists.page(account, "dispute", "/v1/disputes", given, filters)
