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
        found = account.store.select(_DUE, (until,), "order by due, seq limit 1")
        if not found:
            break
        with account.at(_instant(account, found[0])):
            _do(account, found[0])
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


def _instant(account: Account, found: Json) -> int:
    row = account.store.db.execute(
        "select due from objects where id = ?", (found["id"],)
    ).fetchone()
    return int(row[0])


def _do(account: Account, found: Json) -> None:
    if found["object"] == "invoice":
        _do_invoice(account, found)
        return
    now = account.now()
    for is_due, happens in _HAPPENS:
        if is_due(found, now):
            happens(account, found)
            return


def _do_invoice(account: Account, found: Json) -> None:
    now = account.now()
    if found["status"] == "draft":
        collecting.advance(account, found)
    elif found["next_payment_attempt"] and found["next_payment_attempt"] <= now:
        collecting.collect(account, found)
    else:
        account.change(found | {"_overdue": True}, "invoice.overdue")


def _warn(account: Account, found: Json) -> None:
    found["_warned"] = True
    account.change(found, "customer.subscription.trial_will_end")


def _cancel(account: Account, found: Json) -> None:
    changing.end(account, found, scheduled=True)


def _resume(account: Account, found: Json) -> None:
    found["pause_collection"] = None
    account.change(found, "customer.subscription.updated")


def _expire(account: Account, found: Json) -> None:
    """Never paid: over, and its invoice with it."""
    for invoice in account.store.select(
        "kind = 'invoice' and subscription = ? and status = 'open'", (found["id"],)
    ):
        collecting.void(account, invoice)
    found |= {"status": "incomplete_expired", "ended_at": account.now()}
    account.change(found, "customer.subscription.updated")


def _renew(account: Account, found: Json) -> None:
    """A trial nobody can pay for may pause or end instead."""
    behavior = found["trial_settings"]["end_behavior"]["missing_payment_method"]
    unpaid = collecting.outcome(account, found["customer"]) == "none"
    if found["status"] == "trialing" and unpaid and behavior == "cancel":
        _cancel(account, found)
    elif found["status"] == "trialing" and unpaid and behavior == "pause":
        found["status"] = "paused"
        account.change(
            found, "customer.subscription.updated", "customer.subscription.paused"
        )
    else:
        changing.renew(account, found)


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
