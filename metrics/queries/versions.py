from orgs.queries.prepared import fetch_all

# Folding moves changes from the one to the other in a transaction: the sum stays.
VERSION = """
coalesce((select changes from metrics_standing where organization_id = {id}), 0)
    + (select count(*) from metrics_usagechange where organization_id = {id})
"""
_SQL = f"select {VERSION.format(id='%(organization_id)s')}"


def usage_version(organization_id: int) -> int:
    """How often an organization's usage was changed; equal means nothing has."""
    rows = fetch_all(_SQL, {"organization_id": organization_id})
    return int(rows[0][0])
