"""When something next happens to an object by itself. Pure: the store indexes it."""

from typing import Any

from config.dev.fakestripe.periods import DAY

# A subscription that is over renews no more.
OVER = {"canceled", "incomplete_expired"}
INCOMPLETE_SECONDS = 23 * 3600
WARNING_SECONDS = 3 * DAY


def of(found: dict[str, Any]) -> int | None:
    """Seconds since 1970, or nothing."""
    if found["object"] == "subscription":
        return min(_of_subscription(found), default=None)
    if found["object"] == "invoice":
        return min(_of_invoice(found), default=None)
    return None


def _of_subscription(found: dict[str, Any]) -> list[int]:
    status = found["status"]
    if status in OVER:
        return []
    instants = [found["cancel_at"], (found["pause_collection"] or {}).get("resumes_at")]
    if status == "incomplete":
        instants.append(found["created"] + INCOMPLETE_SECONDS)
    elif status != "paused":
        instants += [item["current_period_end"] for item in found["items"]["data"]]
    if status == "trialing" and not found.get("_warned"):
        instants.append(found["trial_end"] - WARNING_SECONDS)
    return [instant for instant in instants if instant is not None]


def _of_invoice(found: dict[str, Any]) -> list[int]:
    instants: list[int | None] = []
    if found["status"] == "draft" and found["auto_advance"]:
        instants.append(found["automatically_finalizes_at"])
    if found["status"] == "open" and found["auto_advance"]:
        instants.append(found["next_payment_attempt"])
    if found["status"] == "open" and not found.get("_overdue"):
        instants.append(found["due_date"])
    return [instant for instant in instants if instant is not None]
