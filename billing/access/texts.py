"""Sentences of reasons to refuse access, and of the actions that lift them.

Written from facts that can be stored as JSON, so that the page, the API and the history
have one text. Amounts in facts are text, owed amounts are by currency.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from billing.access.decision import MESSAGES
from orgs.catalog import CURRENCY_DIGITS
from orgs.web.templatetags.display import day, day_year, money

Facts = Mapping[str, Any]


def reason_text(code: str, facts: Facts, zone: tzinfo) -> str:
    """Return why access is refused, with figures, as a sentence to be read out."""
    write = _TEXTS.get(code)
    return (write and write(facts, zone)) or MESSAGES.get(code, code)


def _hard_limit(facts: Facts, zone: tzinfo) -> str:
    if not facts.get("limit"):
        return ""
    currency = facts["currency"]
    limit, used = (money(Decimal(facts[name]), currency) for name in ("limit", "used"))
    after = " after free balance" if Decimal(facts.get("free_balance") or 0) else ""
    return f"Hard limit {limit} reached ({used} used{after})."


def _unpaid(facts: Facts, zone: tzinfo) -> str:
    number = facts.get("invoices")
    if not number:
        return ""
    are = "is" if number == 1 else "are"
    return (
        f"{invoice_count(number)} {are} unpaid and no longer tried"
        f" ({owed_text(facts['owed'])} owed)."
    )


def _paused(facts: Facts, zone: tzinfo) -> str:
    reason = str(facts.get("pause_reason") or "").strip().rstrip(".")
    return f"The subscription is paused: {reason}." if reason else ""


def _trial_over(facts: Facts, zone: tzinfo) -> str:
    if not facts.get("trial_ended_at"):
        return ""
    ended = datetime.fromisoformat(facts["trial_ended_at"]).astimezone(zone)
    if facts.get("has_subscription"):
        return (
            f"The trial ended on {day_year(ended)}, and Stripe has not reported a paid"
            " subscription yet."
        )
    return f"The trial ended on {day_year(ended)} without a subscription after it."


_TEXTS = {
    "hard_limit": _hard_limit,
    "unpaid": _unpaid,
    "paused": _paused,
    "trial_over": _trial_over,
}


def invoice_count(number: int) -> str:
    """Return `1 invoice`, `2 invoices`."""
    return f"{number} invoice{'' if number == 1 else 's'}"


def owed_text(owed: Mapping[str, Decimal | str]) -> str:
    """Return amounts by currency as text: `$6,405.61`, `$10.00 and €5.00`."""
    return " and ".join(
        money(Decimal(amount), currency) for currency, amount in sorted(owed.items())
    )


def short_money(amount: Decimal, currency: str) -> str:
    """Format an amount; a whole one without decimals: `$684`."""
    text = money(amount, currency)
    digits = CURRENCY_DIGITS.get(currency, 2)
    return text.removesuffix("." + "0" * digits) if digits else text


def local_day(at: datetime, zone: tzinfo) -> str:
    """Return the day of an instant in a time zone: `Dec 1`."""
    return day(at.astimezone(zone).date())
