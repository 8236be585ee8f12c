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

# period_ids: list[int]. These periods were closed and, unless a person closed them,
# their charges were written.
periods_closed = Signal()

# organization_ids: list[int], now: datetime. Access of these organizations began or
# ceased to be refused, or for another reason.
access_changed = Signal()

# organization_ids: list[int], alert_ids: list[int], is_current: bool, now: datetime.
# Organizations were evaluated and these alerts are new; without `is_current`, only
# their complete days. Alerts that a higher threshold covers are left out.
organizations_evaluated = Signal()

# organization_ids: list[int]. Stripe's previews of their next invoices were marked as
# outdated and should be read again soon.
previews_outdated = Signal()
