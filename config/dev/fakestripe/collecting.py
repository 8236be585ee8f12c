"""From draft to the end of an invoice: open, then paid, void or uncollectible."""

from config.dev.fakestripe import drafts, errors, periods
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.store import Json

# Days after each failed payment until the next one; then no more.
_RETRY_DAYS = (3, 5, 7)


def outcome(account: Account, customer: str) -> str:
    """`succeed`, `fail` or `none` (no way to pay), as `/_fake/payment` set it."""
    payments: dict[str, str] = account.store.setting("payments", {})
    return payments.get(customer, payments.get("*", "succeed"))


def finalize(account: Account, found: Json) -> Json:
    """Numbered and open; one that asks for nothing is paid at once."""
    if found["status"] != "draft":
        raise errors.refused(
            "This invoice is already finalized, you can't re-finalize a non-draft"
            " invoice.",
            code="invoice_not_editable",
        )
    now = account.now()
    customer = account.get("customer", found["customer"])
    drafts.recount(found, customer)
    found["ending_balance"] = min(found["total"] + customer["balance"], 0)
    found |= {
        "automatically_finalizes_at": None,
        "effective_at": now,
        "hosted_invoice_url": "/i/",
        "number": found["number"] or _number(account, customer),
        "status": "open",
        "status_transitions": {**found["status_transitions"], "finalized_at": now},
    }
    if found["collection_method"] == "send_invoice":
        days = found.get("_days_until_due")
        found["due_date"] = found["due_date"] or now + periods.DAY * (
            30 if days is None else days
        )
    elif found["auto_advance"]:
        found["next_payment_attempt"] = now + periods.HOUR
    account.change(found, "invoice.finalized", "invoice.updated")
    balance = {"balance": found["ending_balance"]}
    account.change(customer | balance, "customer.updated")
    return found if found["amount_due"] else settle(account, found)


def _number(account: Account, customer: Json) -> str:
    """The customer's next; counting on is no event."""
    number: int = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = number + 1
    account.store.put(customer)
    return f"{customer['invoice_prefix']}-{number:04}"


def advance(account: Account, found: Json) -> Json:
    """What Stripe does by itself an hour after a draft was made."""
    finalize(account, found)
    behavior = _paused(account, found)
    if found["status"] == "open" and behavior == "void":
        return void(account, found)
    if found["status"] == "open" and behavior == "mark_uncollectible":
        return mark_uncollectible(account, found)
    if found["collection_method"] == "send_invoice":
        return send(account, found)
    return collect(account, found)


def _paused(account: Account, found: Json) -> str | None:
    subscription = _subscription(account, found)
    paused = (subscription or {}).get("pause_collection") or {}
    behavior: str | None = paused.get("behavior")
    return behavior


def collect(account: Account, found: Json) -> Json:
    """One attempt to be paid; the invoice says how it ended."""
    if found["status"] not in {"open", "uncollectible"}:
        return found
    found |= {"attempted": True, "attempt_count": found["attempt_count"] + 1}
    if outcome(account, found["customer"]) == "succeed":
        return settle(account, found)
    tried = found["attempt_count"]
    retried = found["auto_advance"] and tried <= len(_RETRY_DAYS)
    found["next_payment_attempt"] = (
        account.now() + periods.DAY * _RETRY_DAYS[tried - 1] if retried else None
    )
    account.change(found, "invoice.payment_failed", "invoice.updated")
    _follow(account, found, paid=False)
    return found


def settle(account: Account, found: Json) -> Json:
    """Paid, by the customer, by credit, or outside of Stripe."""
    due = found["amount_due"]
    found |= {
        "amount_paid": due,
        "amount_remaining": 0,
        "attempted": True,
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": "paid",
        "status_transitions": {
            **found["status_transitions"],
            "paid_at": account.now(),
        },
    }
    account.change(
        found, "invoice.updated", "invoice.paid", "invoice.payment_succeeded"
    )
    _follow(account, found, paid=True)
    return found


def void(account: Account, found: Json) -> Json:
    _must_be(found, "open", "uncollectible")
    return _close(account, found, "void", "voided_at", "invoice.voided")


def mark_uncollectible(account: Account, found: Json) -> Json:
    _must_be(found, "open")
    return _close(
        account,
        found,
        "uncollectible",
        "marked_uncollectible_at",
        "invoice.marked_uncollectible",
    )


def _close(account: Account, found: Json, status: str, when: str, event: str) -> Json:
    found |= {
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": status,
        "status_transitions": {**found["status_transitions"], when: account.now()},
    }
    return account.change(found, event, "invoice.updated")


def send(account: Account, found: Json) -> Json:
    """The letter itself is not written."""
    if found["status"] == "draft":
        finalize(account, found)
    account.emit("invoice.sent", found)
    return found


def _must_be(found: Json, *statuses: str) -> None:
    if found["status"] not in statuses:
        raise errors.refused(
            f"You can only pass in open invoices. This invoice isn't open:"
            f" it is {found['status']}."
        )


def _subscription(account: Account, found: Json) -> Json | None:
    details = (found["parent"] or {}).get("subscription_details")
    if not details:
        return None
    return account.store.find("subscription", details["subscription"])


_AFTER_PAID = {"incomplete": "active", "past_due": "active", "unpaid": "active"}
_AFTER_FAILED = {"active": "past_due"}


def _follow(account: Account, found: Json, *, paid: bool) -> None:
    """Its subscription's status follows the latest invoice."""
    subscription = _subscription(account, found)
    if not subscription or subscription["latest_invoice"] not in {None, found["id"]}:
        return
    statuses = _AFTER_PAID if paid else _AFTER_FAILED
    status = statuses.get(subscription["status"], subscription["status"])
    last = not paid and found["attempt_count"] > len(_RETRY_DAYS)
    if last and status == "past_due":
        status = account.store.setting("after_retries", "past_due")
    account.change(subscription | {"status": status}, "customer.subscription.updated")
