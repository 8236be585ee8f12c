from orgs.queries.prepared import fetch_all

# Folding moves changes from the one to the other in a transaction: the sum stays.
_OF = "where organization_id = %(organization_id)s"
FOLDED = (
    f"coalesce((select rolled_up_changes from metrics_organizationranking {_OF}), 0)"  # noqa: S608  ours
)
WAITING = f"(select count(*) from metrics_pendingusage {_OF})"  # noqa: S608  ours
_SQL = f"select {FOLDED} + {WAITING}"


def usage_version(organization_id: int) -> int:
    """How often an organization's usage was changed; equal means nothing has."""
    rows = fetch_all(_SQL, {"organization_id": organization_id})
    return int(rows[0][0])
