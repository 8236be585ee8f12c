"""What the commands of this app tell it: they know no tasks.

Sent inside the transaction that made the change: receivers wait for its commit.
"""

from django.dispatch import Signal

# organization_ids: list[int]; a limit, balance, subscription or period of these changed
terms_changed = Signal()
