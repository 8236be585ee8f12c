"""The life of an invoice: draft, open, then paid, void or uncollectible."""

from config.dev.fakestripe import drafts, errors, payments, periods
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.store import Json

# Days after each failed payment until the next one; then no more.
_RETRY_DAYS = (3, 5, 7)


def outcome(account: Account, customer: str) -> str:
    """`succeed`, `fail` or `none` (no way to pay), as `/_fake/payment` set it."""
    payments: dict[str, str] = account.store.setting("payments", {})
    return payments.get(customer, payments.get("*", "succeed"))


def finalize(account: Account, invoice: Json) -> Json:
    """Numbered and open; one that asks for nothing is paid at once."""
    if invoice["status"] != "draft":
        raise errors.refused(
            "This invoice is already finalized, you can't re-finalize a non-draft"
            " invoice.",
            code="invoice_not_editable",
        )
    now = account.now()
    customer = account.get("customer", invoice["customer"])
    drafts.recount(invoice, customer)
    invoice["ending_balance"] = min(invoice["total"] + customer["balance"], 0)
    invoice |= {
        "automatically_finalizes_at": None,
        "effective_at": now,
        "hosted_invoice_url": "/i/",
        "number": invoice["number"] or _number(account, customer),
        "status": "open",
        "status_transitions": {**invoice["status_transitions"], "finalized_at": now},
    }
    if invoice["collection_method"] == "send_invoice":
        days = invoice.get("_days_until_due")
        invoice["due_date"] = invoice["due_date"] or now + periods.DAY * (
            30 if days is None else days
        )
    elif invoice["auto_advance"]:
        invoice["next_payment_attempt"] = now + periods.HOUR
    account.change(invoice, "invoice.finalized", "invoice.updated")
    balance = {"balance": invoice["ending_balance"]}
    account.change(customer | balance, "customer.updated")
    return invoice if invoice["amount_due"] else settle(account, invoice)


def _number(account: Account, customer: Json) -> str:
    """Return the customer's next invoice number; counting makes no event."""
    number: int = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = number + 1
    account.store.put(customer)
    return f"{customer['invoice_prefix']}-{number:04}"


def advance(account: Account, invoice: Json) -> Json:
    """Finalize a draft and collect it, as Stripe does an hour after it was made."""
    finalize(account, invoice)
    behavior = _paused(account, invoice)
    if invoice["status"] == "open" and behavior == "void":
        return void(account, invoice)
    if invoice["status"] == "open" and behavior == "mark_uncollectible":
        return mark_uncollectible(account, invoice)
    if invoice["collection_method"] == "send_invoice":
        return send(account, invoice)
    return collect(account, invoice)


def _paused(account: Account, invoice: Json) -> str | None:
    subscription = _subscription(account, invoice)
    paused = (subscription or {}).get("pause_collection") or {}
    behavior: str | None = paused.get("behavior")
    return behavior


def collect(account: Account, invoice: Json) -> Json:
    """Attempt to collect an invoice; its fields show how the attempt ended."""
    if invoice["status"] not in {"open", "uncollectible"}:
        return invoice
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    if outcome(account, invoice["customer"]) == "succeed":
        payments.pay(account, invoice, invoice["amount_remaining"])
        return settle(account, invoice)
    tried = invoice["attempt_count"]
    retried = invoice["auto_advance"] and tried <= len(_RETRY_DAYS)
    invoice["next_payment_attempt"] = (
        account.now() + periods.DAY * _RETRY_DAYS[tried - 1] if retried else None
    )
    account.change(invoice, "invoice.payment_failed", "invoice.updated")
    _follow(account, invoice, paid=False)
    return invoice


def settle(account: Account, invoice: Json) -> Json:
    """Pay what remains: by credit or a credit note, outside of Stripe, or charged."""
    invoice |= {
        "amount_paid": invoice["amount_paid"] + invoice["amount_remaining"],
        "amount_remaining": 0,
        "attempted": True,
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": "paid",
        "status_transitions": {
            **invoice["status_transitions"],
            "paid_at": account.now(),
        },
    }
    account.change(
        invoice, "invoice.updated", "invoice.paid", "invoice.payment_succeeded"
    )
    _follow(account, invoice, paid=True)
    return invoice


def void(account: Account, invoice: Json) -> Json:
    _must_be(invoice, "open", "uncollectible")
    return _close(account, invoice, "void", "voided_at", "invoice.voided")


def mark_uncollectible(account: Account, invoice: Json) -> Json:
    _must_be(invoice, "open")
    return _close(
        account,
        invoice,
        "uncollectible",
        "marked_uncollectible_at",
        "invoice.marked_uncollectible",
    )


def _close(account: Account, invoice: Json, status: str, when: str, event: str) -> Json:
    invoice |= {
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": status,
        "status_transitions": {**invoice["status_transitions"], when: account.now()},
    }
    return account.change(invoice, event, "invoice.updated")


def send(account: Account, invoice: Json) -> Json:
    """Mark the invoice as sent; no email is written."""
    if invoice["status"] == "draft":
        finalize(account, invoice)
    account.emit("invoice.sent", invoice)
    return invoice


def _must_be(invoice: Json, *statuses: str) -> None:
    if invoice["status"] not in statuses:
        raise errors.refused(
            f"You can only pass in open invoices. This invoice isn't open:"
            f" it is {invoice['status']}."
        )


def _subscription(account: Account, invoice: Json) -> Json | None:
    details = (invoice["parent"] or {}).get("subscription_details")
    if not details:
        return None
    return account.store.find("subscription", details["subscription"])


_AFTER_PAID = {"incomplete": "active", "past_due": "active", "unpaid": "active"}
_AFTER_FAILED = {"active": "past_due"}


def _follow(account: Account, invoice: Json, *, paid: bool) -> None:
    """Set the status of the subscription by its latest invoice."""
    subscription = _subscription(account, invoice)
    if not subscription or subscription["latest_invoice"] not in {None, invoice["id"]}:
        return
    statuses = _AFTER_PAID if paid else _AFTER_FAILED
    status = statuses.get(subscription["status"], subscription["status"])
    last = not paid and invoice["attempt_count"] > len(_RETRY_DAYS)
    if last and status == "past_due":
        status = account.store.setting("after_retries", "past_due")
    account.change(subscription | {"status": status}, "customer.subscription.updated")
