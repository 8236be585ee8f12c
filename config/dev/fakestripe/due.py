"""The instant at which an object next changes without a call. Pure functions."""

from typing import Any

from config.dev.fakestripe.periods import DAY

# A subscription that is over renews no more.
OVER = {"canceled", "incomplete_expired"}
INCOMPLETE_SECONDS = 23 * 3600
WARNING_SECONDS = 3 * DAY


def of(subject: dict[str, Any]) -> int | None:
    """Seconds since 1970, or nothing."""
    if subject["object"] == "subscription":
        return min(_of_subscription(subject), default=None)
    if subject["object"] == "invoice":
        return min(_of_invoice(subject), default=None)
    return None


def _of_subscription(subject: dict[str, Any]) -> list[int]:
    status = subject["status"]
    if status in OVER:
        return []
    instants = [
        subject["cancel_at"],
        (subject["pause_collection"] or {}).get("resumes_at"),
    ]
    if status == "incomplete":
        instants.append(subject["created"] + INCOMPLETE_SECONDS)
    elif status != "paused":
        instants += [item["current_period_end"] for item in subject["items"]["data"]]
    if status == "trialing" and not subject.get("_warned"):
        instants.append(subject["trial_end"] - WARNING_SECONDS)
    return [instant for instant in instants if instant is not None]


def _of_invoice(subject: dict[str, Any]) -> list[int]:
    instants: list[int | None] = []
    if subject["status"] == "draft" and subject["auto_advance"]:
        instants.append(subject["automatically_finalizes_at"])
    if subject["status"] == "open" and subject["auto_advance"]:
        instants.append(subject["next_payment_attempt"])
    if subject["status"] == "open" and not subject.get("_overdue"):
        instants.append(subject["due_date"])
    return [instant for instant in instants if instant is not None]
