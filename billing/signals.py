"""Signals by which the ledger informs the subjects above it, which it cannot import.

They are sent inside the transaction that makes the change: receivers that enqueue tasks
must do so after its commit.
"""

from django.dispatch import Signal

# organization_ids: list[int]. A limit, balance, subscription or period of these
# organizations changed.
terms_changed = Signal()

# period_ids: list[int]. Charges of these periods can be sent to Stripe now: they were
# just written for a draft, or a draft came for those that waited.
charges_ready = Signal()

# organization_ids: list[int]. Charges of these organizations wait for a draft.
charges_waiting = Signal()

# organization_ids: list[int], ends_at: datetime. The open periods of these
# organizations are locked and about to close: the last moment to compare their usage
# with a limit.
periods_closing = Signal()

# organization_ids: list[int]. Stripe's previews of their next invoices were marked as
# outdated and should be read again soon.
previews_outdated = Signal()
