"""What happens by itself as the clock goes on, each thing at its own instant."""

from collections.abc import Callable

from config.dev.fakestripe import changing, collecting
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.due import INCOMPLETE_SECONDS, WARNING_SECONDS
from config.dev.fakestripe.store import Json

_DUE = "due is not null and due <= ?"
_KEY_SECONDS = 24 * 3600
_EVENT_SECONDS = 31 * 24 * 3600  # thirty days at least


def run_due(account: Account, until: int, *, most: int = 1_000_000) -> int:
    """Do all that is due, oldest first; how many things that were."""
    done = 0
    while done < most:
        subject = account.store.select(_DUE, (until,), "order by due, seq limit 1")
        if not subject:
            break
        with account.at(_instant(account, subject[0])):
            _do(account, subject[0])
        done += 1
    return done


def forget(account: Account) -> None:
    """Keys, and events with their deliveries, that Stripe too would know no more."""
    run, now = account.store.db.execute, account.now()
    run("delete from idempotency where created <= ?", (now - _KEY_SECONDS,))
    old = "select id from objects where kind = 'event' and created < ?"
    run(f"delete from deliveries where event in ({old})", (now - _EVENT_SECONDS,))  # noqa: S608
    run(
        "delete from objects where kind = 'event' and created < ?",
        (now - _EVENT_SECONDS,),
    )


def _instant(account: Account, subject: Json) -> int:
    row = account.store.db.execute(
        "select due from objects where id = ?", (subject["id"],)
    ).fetchone()
    return int(row[0])


def _do(account: Account, subject: Json) -> None:
    if subject["object"] == "invoice":
        _do_invoice(account, subject)
        return
    now = account.now()
    for is_due, happens in _HAPPENS:
        if is_due(subject, now):
            happens(account, subject)
            return


def _do_invoice(account: Account, subject: Json) -> None:
    now = account.now()
    if subject["status"] == "draft":
        collecting.advance(account, subject)
    elif subject["next_payment_attempt"] and subject["next_payment_attempt"] <= now:
        collecting.collect(account, subject)
    else:
        account.change(subject | {"_overdue": True}, "invoice.overdue")


def _warn(account: Account, subject: Json) -> None:
    subject["_warned"] = True
    account.change(subject, "customer.subscription.trial_will_end")


def _cancel(account: Account, subject: Json) -> None:
    changing.end(account, subject, scheduled=True)


def _resume(account: Account, subject: Json) -> None:
    subject["pause_collection"] = None
    account.change(subject, "customer.subscription.updated")


def _expire(account: Account, subject: Json) -> None:
    """Never paid: over, and its invoice with it."""
    for invoice in account.store.select(
        "kind = 'invoice' and subscription = ? and status = 'open'", (subject["id"],)
    ):
        collecting.void(account, invoice)
    subject |= {"status": "incomplete_expired", "ended_at": account.now()}
    account.change(subject, "customer.subscription.updated")


def _renew(account: Account, subject: Json) -> None:
    """Pause or cancel a trial that ends without a payment method, if it says to."""
    behavior = subject["trial_settings"]["end_behavior"]["missing_payment_method"]
    unpaid = collecting.outcome(account, subject["customer"]) == "none"
    if subject["status"] == "trialing" and unpaid and behavior == "cancel":
        _cancel(account, subject)
    elif subject["status"] == "trialing" and unpaid and behavior == "pause":
        subject["status"] = "paused"
        account.change(
            subject, "customer.subscription.updated", "customer.subscription.paused"
        )
    else:
        changing.renew(account, subject)


_Is = Callable[[Json, int], bool]
_HAPPENS: list[tuple[_Is, Callable[[Account, Json], None]]] = [
    (lambda one, now: bool(one["cancel_at"]) and one["cancel_at"] <= now, _cancel),
    (
        lambda one, now: (
            bool((one["pause_collection"] or {}).get("resumes_at"))
            and one["pause_collection"]["resumes_at"] <= now
        ),
        _resume,
    ),
    (
        lambda one, now: (
            one["status"] == "incomplete" and one["created"] + INCOMPLETE_SECONDS <= now
        ),
        _expire,
    ),
    (
        lambda one, now: (
            one["status"] == "trialing"
            and not one.get("_warned")
            and one["trial_end"] - WARNING_SECONDS <= now
        ),
        _warn,
    ),
    (lambda one, now: True, _renew),
]
