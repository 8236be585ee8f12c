"""What this app tells billing."""

from django.dispatch import Signal

# organization_ids: list[int]. Sent after a recording that added something; robust: a
# receiver that fails is logged, the usage is safe.
usage_recorded = Signal()
