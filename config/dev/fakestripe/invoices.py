"""Handlers of invoices."""

from typing import Any

from config.dev.fakestripe import (
    collecting,
    customers,
    drafts,
    errors,
    lists,
    params,
    shapes,
)
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.periods import DAY
from config.dev.fakestripe.store import Json

STATUSES = ("draft", "open", "paid", "uncollectible", "void")
_METHOD = params.choice("charge_automatically", "send_invoice")
_FIELDS: params.Spec = {
    "auto_advance": params.boolean,
    "automatically_finalizes_at": params.instant,
    "collection_method": _METHOD,
    "custom_fields": params.anything,
    "days_until_due": params.quantity,
    "default_payment_method": params.text,
    "description": params.text,
    "due_date": params.instant,
    "footer": params.text,
    "metadata": params.metadata,
    "number": params.text,
    "statement_descriptor": params.text,
}
_NEW = _FIELDS | {
    "currency": params.currency,
    "customer": params.text,
    "pending_invoice_items_behavior": params.choice("include", "exclude"),
    "subscription": params.text,
}
# What may still be said about a final invoice.
_ALWAYS = {"auto_advance", "metadata", "due_date", "days_until_due"}


def create(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _NEW, required=["customer"])
    customer = customers.live(account, given.pop("customer"), param="customer")
    subscription = _subscription(account, given.pop("subscription", None), customer)
    currency = given.pop("currency", None) or customer["currency"] or "usd"
    waiting: list[Json] = []
    if given.pop("pending_invoice_items_behavior", "exclude") == "include":
        name = subscription["id"] if subscription else None
        waiting = drafts.pending(account, customer["id"], currency, name)
    draft = drafts.make(
        account,
        customer,
        currency=currency,
        lines=[drafts.item_line(item) for item in waiting],
        parent=shapes.of_subscription(subscription) if subscription else None,
        **_settled(account, given),
    )
    drafts.attach(account, waiting, draft)
    return draft


def _subscription(account: Account, named: str | None, customer: Json) -> Json | None:
    if not named:
        return None
    invoice = account.get("subscription", named, param="subscription")
    if invoice["customer"] != customer["id"]:
        raise errors.no_such("subscription", named, param="subscription")
    return invoice


def _settled(account: Account, given: dict[str, Any]) -> dict[str, Any]:
    """Metadata without empty values, and the day it is due."""
    if "metadata" in given:
        given["metadata"] = params.merged({}, given["metadata"])
    days = given.pop("days_until_due", None)
    if days is not None:
        given["due_date"] = account.now() + days * DAY
        given["_days_until_due"] = days
    _check_due_date(given.get("due_date"), given.get("collection_method"))
    return given


def _check_due_date(due_date: int | None, method: str | None) -> None:
    """Refuse a due date of an invoice that is charged automatically."""
    if due_date and method != "send_invoice":
        raise errors.refused(
            "You can only set a due date on invoices with"
            " collection_method=send_invoice",
            param="due_date",
        )


def retrieve(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("invoice", call.ids[0])


def update(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _FIELDS)
    invoice = account.get("invoice", call.ids[0])
    if invoice["status"] != "draft" and (late := sorted(given.keys() - _ALWAYS)):
        raise errors.refused(
            "Finalized invoices can't be updated in this way",
            code="invoice_not_editable",
            param=late[0],
        )
    if "metadata" in given:
        given["metadata"] = params.merged(invoice["metadata"], given["metadata"])
    if (days := given.pop("days_until_due", None)) is not None:
        given["due_date"] = invoice["created"] + days * DAY
    method = given.get("collection_method", invoice["collection_method"])
    _check_due_date(given.get("due_date"), method)
    invoice |= given
    if invoice["status"] == "draft":
        later = invoice["automatically_finalizes_at"] or account.now() + 3600
        invoice["automatically_finalizes_at"] = (
            later if invoice["auto_advance"] else None
        )
    return account.change(invoice, "invoice.updated")


def delete(account: Account, call: Call) -> Json:
    invoice = account.get("invoice", call.ids[0])
    if invoice["status"] != "draft":
        raise errors.refused("You can only delete draft invoices.")
    if invoice["parent"] is not None:
        raise errors.refused("You can't delete invoices created by subscriptions.")
    for item in account.store.select(
        "kind = 'invoiceitem' and invoice = ?", (invoice["id"],)
    ):
        account.store.remove(item["id"])
    account.store.remove(invoice["id"])
    account.emit("invoice.deleted", invoice)
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


def list_(account: Account, call: Call) -> Json:
    spec = {
        "collection_method": _METHOD,
        "customer": params.text,
        "status": params.choice(*STATUSES),
        "subscription": params.text,
    }
    given = params.read(call.tree, lists.PAGING | lists.CREATED | spec)
    filters = lists.Filter()
    filters.equal(given, "customer", "status", "subscription")
    if given.get("collection_method"):
        filters.add(
            "json_extract(body, '$.collection_method') = ?", given["collection_method"]
        )
    filters.span(given)
    return lists.page(account, "invoice", "/v1/invoices", given, filters)


def lines(account: Account, call: Call) -> Json:
    given = params.read(call.tree, lists.PAGING)
    invoice = account.get("invoice", call.ids[0])
    return lists.part(invoice["lines"]["data"], invoice["lines"]["url"], given)


def update_line(account: Account, call: Call) -> Json:
    """Change a line of a draft, as a person does in the dashboard."""
    spec: params.Spec = {"amount": params.amount, "description": params.text}
    given = params.read(call.tree, spec)
    invoice, line = _find_line(account, *call.ids)
    line |= given
    if "amount" in given:
        line["subtotal"] = given["amount"]
    _save_lines(account, invoice)
    return line


def remove_lines(account: Account, call: Call) -> Json:
    """Remove lines of a draft; an invoice item is deleted, or waits again."""
    line_spec: params.Spec = {
        "behavior": params.choice("delete", "unassign"),
        "id": params.text,
    }
    spec: params.Spec = {
        "invoice_metadata": params.metadata,
        "lines": params.many(params.fields(line_spec, required=["id", "behavior"])),
    }
    given = params.read(call.tree, spec, required=["lines"])
    invoice = account.get("invoice", call.ids[0])
    for one in given["lines"]:
        invoice, line = _find_line(account, invoice["id"], one["id"])
        invoice["lines"]["data"].remove(line)
        _release_item(account, line, one["behavior"])
        _save_lines(account, invoice)
    return invoice


def _find_line(account: Account, invoice_id: str, line_id: str) -> tuple[Json, Json]:
    """Return a draft and its line; refuse a line of a finalized invoice."""
    invoice = account.get("invoice", invoice_id)
    if invoice["status"] != "draft":
        raise errors.refused(
            "Finalized invoices can't be updated in this way",
            code="invoice_not_editable",
        )
    for line in invoice["lines"]["data"]:
        if line["id"] == line_id:
            return invoice, line
    raise errors.no_such("line item", line_id, param="lines")


def _release_item(account: Account, line: Json, behavior: str) -> None:
    details = line["parent"]["invoice_item_details"] or {}
    item_id = details.get("invoice_item")
    if not item_id:
        return
    item = account.get("invoiceitem", item_id)
    if behavior == "unassign":
        account.change(item | {"invoice": None})
        return
    account.store.remove(item_id)
    account.emit("invoiceitem.deleted", item)


def _save_lines(account: Account, invoice: Json) -> None:
    drafts.recount(invoice, account.get("customer", invoice["customer"]))
    account.change(invoice, "invoice.updated")


def finalize(account: Account, call: Call) -> Json:
    given = params.read(call.tree, {"auto_advance": params.boolean})
    invoice = account.get("invoice", call.ids[0])
    return collecting.finalize(account, invoice | given)


def pay(account: Account, call: Call) -> Json:
    """Pay an invoice; a failure is counted, makes its events and returns 402."""
    spec = {
        "forgive": params.boolean,
        "off_session": params.boolean,
        "paid_out_of_band": params.boolean,
        "payment_method": params.text,
        "source": params.text,
    }
    given = params.read(call.tree, spec)
    invoice = account.get("invoice", call.ids[0])
    if invoice["status"] == "draft":
        collecting.finalize(account, invoice)
        if invoice["status"] == "paid":
            return invoice
    if invoice["status"] not in {"open", "uncollectible"}:
        word = "already paid" if invoice["status"] == "paid" else invoice["status"]
        raise errors.refused(f"Invoice is {word}")
    if given.get("paid_out_of_band"):
        return collecting.settle(account, invoice)
    if collecting.collect(account, invoice)["status"] != "paid":
        raise errors.declined()
    return invoice


def void(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return collecting.void(account, account.get("invoice", call.ids[0]))


def mark_uncollectible(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return collecting.mark_uncollectible(account, account.get("invoice", call.ids[0]))


def send(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    invoice = account.get("invoice", call.ids[0])
    if invoice["collection_method"] != "send_invoice":
        raise errors.refused(
            "You can only manually send an invoice if its collection method is"
            " 'send_invoice'."
        )
    if invoice["status"] not in {"draft", "open"}:
        raise errors.refused(f"You can't send an invoice that is {invoice['status']}.")
    return collecting.send(account, invoice)
