"""What each price has on an invoice, to explain costs by plan and seats."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import orjson
from django.db import connection

from billing import gateway
from billing.ledger.commands.lines import CHARGE
from billing.money import ZERO, exactly

# Rows are locked in the order of their keys. A row that was read later stays as it is,
# and an equal one is not written again.
_UPDATE = """
update billing_invoice i set price_totals = f.totals::jsonb
from unnest(%(ids)s::text[], %(totals)s::text[]) f (stripe_id, totals)
where i.stripe_id = f.stripe_id and i.id in (
    select o.id from billing_invoice o
    join unnest(%(ids)s::text[], %(totals)s::text[]) n (stripe_id, totals)
        on n.stripe_id = o.stripe_id
    where o.synced_at <= %(at)s and o.price_totals is distinct from n.totals::jsonb
    order by o.stripe_id for update of o)
"""


def write_price_totals(invoices: Sequence[gateway.Invoice], *, at: datetime) -> None:
    """Write the sum of the lines of each price of invoices whose lines are all known.

    Call it after the invoices were written, in that transaction. One statement.
    """
    if not invoices:
        return
    totals = [orjson.dumps(_sum_lines(invoice.lines)).decode() for invoice in invoices]
    ids = [invoice.id for invoice in invoices]
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE, {"ids": ids, "totals": totals, "at": at})


def _sum_lines(lines: Sequence[gateway.InvoiceLine]) -> dict[str, str]:
    """Return the sum of the lines by price, as text; charges have no price."""
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    with exactly():
        for line in lines:
            if line.price_id and CHARGE not in line.metadata:
                sums[line.price_id] += line.amount
    return {price: f"{amount:f}" for price, amount in sorted(sums.items())}
