"""What the ledger tells the subjects above it: commands know no tasks.

Sent inside the transaction that makes the change: receivers that enqueue wait for its
commit.
"""

from django.dispatch import Signal

# organization_ids: list[int]; a limit, balance, subscription or period of these changed
terms_changed = Signal()

# organization_ids: list[int], ends_at: datetime; the open periods of these are locked
# and about to be closed: the last moment at which their usage counts for them
periods_closing = Signal()
