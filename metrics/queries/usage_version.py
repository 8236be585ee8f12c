"""Version of an organization's usage, for entity tags of answers that depend on it."""

from orgs.queries.prepared import fetch_all

# Rolling up moves changes from pending to rolled up in one transaction: the sum stays
# the same until something is recorded or corrected.
_WHERE = "where organization_id = %(organization_id)s"
_ROLLED_UP = f"(select rolled_up_changes from metrics_organizationranking {_WHERE})"  # noqa: S608  ours
ROLLED_UP_CHANGES = f"coalesce({_ROLLED_UP}, 0)"
PENDING_CHANGES = f"(select count(*) from metrics_pendingusage {_WHERE})"  # noqa: S608  ours
_SQL = f"select {ROLLED_UP_CHANGES} + {PENDING_CHANGES}"


def usage_version(organization_id: int) -> int:
    """Return how often an organization's usage was changed.

    Equal numbers mean that nothing changed in between.
    """
    rows = fetch_all(_SQL, {"organization_id": organization_id})
    return int(rows[0][0])
