"""The decision whether an organization has access, as a pure function of its facts.

The facts are a value: `dataclasses.replace` a fact and decide again to learn whether a
change would restore access. There is no second rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.money import ZERO, exactly, is_limit_reached


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason to refuse access; `code` is stable, `message` is a text for people."""

    code: str
    message: str
    since: datetime


MESSAGES = {
    "deleted": "The organization was deleted.",
    "inactive": "The organization is not active.",
    "paused": "The subscription is paused.",
    "unpaid": "Invoices are unpaid and no longer tried.",
    "trial_over": "The trial has ended.",
    "hard_limit": "The hard spending limit of this billing period is reached.",
}


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """The facts that decide access: the columns of `ACCESS_JOIN`, in its order."""

    deleted_at: datetime | None
    inactive_since: datetime | None
    status: str | None  # of the live platform subscription, as the next three
    paused_at: datetime | None
    status_since: datetime | None
    trial_ends_at: datetime | None
    lost_at: datetime | None  # end of a trial without a subscription after it
    over_since: datetime | None  # since when the hard limit is reached
    # Of the open refusal in the access history, None without one: its beginning, and
    # the codes and beginnings of its open reasons.
    refused_since: datetime | None = None
    recorded_codes: Sequence[str] | None = None
    recorded_starts: Sequence[datetime] | None = None

    def since_by_code(self, now: datetime) -> dict[str, datetime | None]:
        """Return since when each reason applies; None if it does not.

        The most severe reason comes first.
        """
        is_paused = self.status == "paused" or self.paused_at is not None
        ends_at = self.trial_ends_at if self.status == "trialing" else None
        has_ended = ends_at is not None and ends_at <= now
        return {
            "deleted": self.deleted_at,
            "inactive": self.inactive_since,
            "paused": (self.paused_at or self.status_since) if is_paused else None,
            "unpaid": self.status_since if self.status == "unpaid" else None,
            "trial_over": ends_at if has_ended else self.lost_at,
            "hard_limit": self.over_since,
        }

    def refusals(self, now: datetime) -> list[Refusal]:
        """Return the reasons to refuse access, most severe first; empty if allowed.

        A reason applies since the access history has it. The fact itself may be older:
        a pause that Stripe reported late refused nothing before it was known. What is
        not recorded yet, for seconds at most, applies since its fact.
        """
        codes, starts = self.recorded_codes or (), self.recorded_starts or ()
        recorded = dict(zip(codes, starts, strict=True))
        return [
            Refusal(code, MESSAGES[code], recorded.get(code, since))
            for code, since in self.since_by_code(now).items()
            if since is not None
        ]


def read_refusals(row: Sequence[Any], *, now: datetime) -> list[Refusal]:
    """Return the reasons to refuse access from a row of `ACCESS_JOIN`."""
    return AccessFacts(*row).refusals(now)


@dataclass(frozen=True, slots=True)
class Spending:
    """An open period's cost and what it is compared with.

    Amounts are in the white label's currency. `free_balance` is what pays now: 0
    outside of a trial. A limit is None without one.
    """

    cost: Decimal
    free_balance: Decimal
    soft: Decimal | None
    hard: Decimal | None

    @property
    def payable(self) -> Decimal:
        """The cost after free balance, which limits are compared with."""
        with exactly():
            return max(self.cost - self.free_balance, ZERO)

    @property
    def is_over_soft(self) -> bool:
        return is_limit_reached(self.payable, self.soft)

    @property
    def is_over_hard(self) -> bool:
        return is_limit_reached(self.payable, self.hard)


@dataclass(frozen=True, slots=True)
class AccessCase:
    """The facts and the spending of an organization, to change and to decide again."""

    facts: AccessFacts
    spending: Spending

    def refused_codes(self, now: datetime) -> list[str]:
        """Return the codes of the reasons to refuse access, most severe first."""
        return [refusal.code for refusal in self.facts.refusals(now)]

    def is_in_trial(self, now: datetime) -> bool:
        """Return whether free balance pays: the end counts before Stripe reports it."""
        ends_at = self.facts.trial_ends_at
        is_running = ends_at is None or ends_at > now
        return self.facts.status == "trialing" and is_running

    def with_facts(self, **changes: Any) -> "AccessCase":
        """Return the case with other facts."""
        return replace(self, facts=replace(self.facts, **changes))

    def with_spending(self, now: datetime, **changes: Any) -> "AccessCase":
        """Return the case with other spending, evaluated as limits are after a change.

        The evaluation stores since when the hard limit is reached, or that it is not.
        """
        spending = replace(self.spending, **changes)
        over_since = (self.facts.over_since or now) if spending.is_over_hard else None
        return AccessCase(replace(self.facts, over_since=over_since), spending)
