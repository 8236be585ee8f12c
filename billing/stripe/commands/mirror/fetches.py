"""Context of a fetch from Stripe, and the outcome of mirroring its answer."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from billing.gateway import Invoice, Subscription
from billing.stripe.commands import discrepancies
from billing.stripe.commands.discrepancies import Difference


@dataclass(frozen=True, slots=True)
class FetchContext:
    """Circumstances of a request to Stripe, and what may be done with the answer."""

    at: datetime  # before the request: later changes may be missing in the answer
    by: str = ""
    run_id: int | None = None  # null: an event's or a person's fetch of one object
    white_label_id: int | None = None  # null: organizations of all white labels
    repairs: bool = True  # false: differences are recorded and nothing else is written
    records_new: bool = True  # an object that Orgdesk lacks counts as a difference


@dataclass(slots=True)
class Outcome:
    """Rows written by mirroring an answer, and the work that remains after it."""

    written: int = 0  # rows that changed
    discrepancy_count: int = 0
    seen: dict[str, int] = field(default_factory=dict)  # organization by object id
    unlinked_customers: set[str] = field(default_factory=set)
    # Customers with two live subscriptions of one kind.
    duplicate_customers: set[str] = field(default_factory=set)
    # Subscriptions that sell no platform any more, with the instant when that was seen.
    removed_platforms: dict[str, datetime] = field(default_factory=dict)
    closing_invoices: list[Invoice] = field(default_factory=list)  # that end a period
    # Mirrored subscriptions, whose terms may have changed.
    subscriptions: list[Subscription] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Add the counts and objects of another outcome."""
        self.written += other.written
        self.discrepancy_count += other.discrepancy_count
        self.seen |= other.seen
        self.unlinked_customers |= other.unlinked_customers
        self.duplicate_customers |= other.duplicate_customers
        self.removed_platforms |= other.removed_platforms
        self.closing_invoices += other.closing_invoices
        self.subscriptions += other.subscriptions


def record_differences(
    differences: Iterable[Difference],
    stripe_ids: Collection[str],
    context: FetchContext,
    *,
    partial: Collection[str] = (),
) -> int:
    """Record the differences of the objects compared, and resolve all others of theirs.

    `partial` are those of them that were not read as a whole.

    A run records every difference before it repairs it. An event or a person's fetch
    records only warnings, because a change that arrives in an event is no discrepancy.
    Returns how many were recorded.
    """
    differences = list(differences)
    warnings = [difference for difference in differences if difference.is_warning]
    recorded = differences if context.run_id else warnings
    discrepancies.record(recorded, run_id=context.run_id)
    remaining = warnings if context.repairs else differences
    discrepancies.resolve_absent(
        stripe_ids,
        remaining=remaining,
        at=context.at,
        by=context.by,
        partial=partial,
    )
    return len(recorded)
