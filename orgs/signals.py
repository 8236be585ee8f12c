"""What this app tells the ones above it.

Sent inside the transaction that made the change, so that no organization exists
without its first period and no head count without its day: receivers write rows of
their own and nothing else, never the network. A receiver that raises undoes the change.
"""

from django.dispatch import Signal

# organization_ids: list[int], all of one white label
organizations_created = Signal()
# organization_ids: list[int]; members or projects of these came, went or were restored
people_changed = Signal()
# organization_ids: list[int]; what these may use, or the year it is of, was changed
entitlements_changed = Signal()
