"""How big, how long and how often."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a run measures; every row says in its name what these do not."""

    name: str
    organizations: int  # of the big fleet
    small: int  # of the fleet that the big one is compared with
    charted: int  # organizations whose chart is asked for, and as many that record
    metered: int  # organizations with a year of daily metrics
    rounds: int  # after one that warms up
    seconds: float  # of a round of calls
    batches: int  # of 1,000 events in a round
    pages: int  # how often a round asks for each page
    loads: int  # organizations whose tabs a round loads
    changed_days: int  # organization-days changed before fleet totals are made
    customers: int  # in Stripe, each with a subscription and two invoices


QUICK = Sizes(
    name="quick",
    organizations=10_000,
    small=1_000,
    charted=5_000,
    metered=300,
    rounds=4,
    seconds=0.8,
    batches=10,
    pages=1,
    loads=12,
    changed_days=10_000,
    customers=2_000,
)
FULL = Sizes(
    name="full",
    organizations=1_000_000,
    small=1_000,
    charted=5_000,
    metered=1_000,
    rounds=5,
    seconds=6.0,
    batches=50,
    pages=4,
    loads=60,
    changed_days=100_000,
    customers=10_000,
)
