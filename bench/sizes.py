"""The sizes of a run: data, durations, and repetitions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a run; sizes that never change are in the titles of the rows."""

    name: str
    organizations: int  # of the big fleet
    small: int  # of the fleet that the big one is compared with
    charted: int  # organizations with chart requests; as many others record
    metered: int  # organizations with a year of daily metrics
    rounds: int  # after a warm-up round
    seconds: float  # per round of API calls
    batches: int  # of 1,000 events, per round
    pages: int  # how often a round requests each page
    loads: int  # organizations whose tabs a round loads
    changed_days: int  # organization-days changed before the totals are rolled up
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
