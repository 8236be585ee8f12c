"""Signals that billing receives when usage changes, and a question to billing.

The first two are sent with `send_robust`: a receiver that fails is logged, the usage is
safe. The third is sent inside a transaction, which a failure undoes.
"""

from django.dispatch import Signal

# organization_ids: list[int]. Sent after a recording or a correction was committed.
usage_recorded = Signal()
# organization_ids: list[int]. Sent after their pending usage was rolled up, seconds
# later: a receiver that missed `usage_recorded` catches up here.
usage_rolled_up = Signal()
# organization: Organization, costs: dict[int, Decimal] (by number of the closed
# period), by: str, note: str. Sent in the transaction that lowers recorded usage of
# closed periods, which stays as billed: the receiver grants the credit.
closed_usage_lowered = Signal()
# organization_ids: list[int] of deleted organizations that usage is reported of. A
# receiver returns the IDs of those whose last invoice is final: their usage cannot be
# billed any more, and is rejected.
late_usage_reported = Signal()
