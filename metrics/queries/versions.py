from django.db import connection

# Folding moves changes from the one to the other in a transaction: the sum stays.
VERSION = """
coalesce((select changes from metrics_standing where organization_id = {id}), 0)
    + (select count(*) from metrics_usagechange where organization_id = {id})
"""


def usage_version(organization_id: int) -> int:
    """How often an organization's usage was changed; equal means nothing has.

    Read it before what it is to vouch for: a change in between then makes the answer
    look older than it is, never newer.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {VERSION.format(id='%(id)s')}",
            {"id": organization_id},
        )
        return int(cursor.fetchone()[0])
