"""How an answer of Stripe is to be taken, and what came of taking it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from billing.gateway import Invoice
from billing.stripe.commands import discrepancies
from billing.stripe.commands.discrepancies import Difference


@dataclass(frozen=True, slots=True)
class Fetch:
    """When Stripe was asked, by whom, and what may be done with the answer."""

    at: datetime  # before the call: what changed later is not in the answer
    by: str = ""
    run_id: int | None = None  # null: an event or a person, for one object
    white_label_id: int | None = None  # only organizations of this one
    repairs: bool = True  # else differences are written down and nothing else
    records_new: bool = True  # what we never had is a difference, too


@dataclass(slots=True)
class Outcome:
    """What was written; what needs another look before it can be."""

    written: int = 0  # rows that were not so before
    discrepancy_count: int = 0
    met: dict[str, int] = field(default_factory=dict)  # organization by object
    strangers: set[str] = field(default_factory=set)  # customers of nobody
    contested: set[str] = field(default_factory=set)  # with two live subscriptions
    billing: list[Invoice] = field(default_factory=list)  # that close a period

    def add(self, other: "Outcome") -> None:
        self.written += other.written
        self.discrepancy_count += other.discrepancy_count
        self.met |= other.met
        self.strangers |= other.strangers
        self.contested |= other.contested
        self.billing += other.billing


def note(found: Iterable[Difference], looked_at: Collection[str], fetch: Fetch) -> int:
    """Keep the books of drift for the objects looked at; answers how many differ.

    A run writes every difference down before it heals; an event only warns, for what
    changes by an event is no drift.
    """
    found = list(found)
    warnings = [one for one in found if one.is_warning]
    told = found if fetch.run_id else warnings
    discrepancies.record(told, run_id=fetch.run_id)
    left = warnings if fetch.repairs else found
    discrepancies.close(looked_at, but=left, at=fetch.at, by=fetch.by)
    return len(told)
