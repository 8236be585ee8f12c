"""What this app tells billing."""

from django.dispatch import Signal

# organization_ids: list[int]. Sent after a recording that added something; robust: a
# receiver that fails is logged, the usage is safe.
usage_recorded = Signal()
# organization_ids: list[int]. Sent after their changes were folded: whoever missed the
# recording hears of it here, seconds later; robust.
usage_rolled_up = Signal()
