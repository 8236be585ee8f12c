"""Signals to the apps that build on this one.

They are sent in the transaction that makes the change, so that no organization exists
without its first period, and no headcount without its day. Receivers only write rows;
they never use the network. A receiver that raises rolls the change back.
"""

from django.dispatch import Signal

# organization_ids: list[int], all of one white label
organizations_created = Signal()
# organization_ids: list[int]; their members or projects were added, removed or restored
people_changed = Signal()
# organization_ids: list[int]; they were deleted, restored, activated or deactivated
availability_changed = Signal()
# organization_ids: list[int], change: str, fields: list[str]. A person or program
# "updated" these fields of organizations, or "deleted" or "restored" organizations.
organizations_changed = Signal()
# organization_ids: list[int]; their limits, or the contract year of these, changed
entitlements_changed = Signal()
# user_id: int; all sessions and login tokens of the account ended
logins_ended = Signal()
# account_email_id: int; the row is written, and a worker sends it after the commit
account_email_written = Signal()
