"""Signals that billing receives when usage changes.

Both are sent with `send_robust`: a receiver that fails is logged, the usage is safe.
"""

from django.dispatch import Signal

# organization_ids: list[int]. Sent after a recording or a correction was committed.
usage_recorded = Signal()
# organization_ids: list[int]. Sent after their pending usage was rolled up, seconds
# later: a receiver that missed `usage_recorded` catches up here.
usage_rolled_up = Signal()
