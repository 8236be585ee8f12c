"""Command that prepares the reasons for action that come from usage."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import orjson
from django.db import connection, transaction
from django.utils import timezone

from billing.models.forecasts import NO_ENTITLEMENT
from billing.needs_action.queries.usage import UsageFact, list_usage_facts
from orgs.decimals import plain

# Others that write such rows wait for one statement: two of them at once could lock the
# same rows in different orders.
_LOCK = "select pg_advisory_xact_lock(hashtext('usage_reasons'))"
# Writes only what differs: an unchanged reason costs no write, and keeps its beginning.
_REPLACE = """
with wanted as materialized (
    select * from jsonb_to_recordset(%(rows)s::jsonb) as r (organization_id bigint,
        kind text, subject text, value numeric, base numeric, reached_on date)
), deleted as (
    delete from billing_usagereason t where t.organization_id = any(%(ids)s::bigint[])
        and not exists (select from wanted w where w.organization_id = t.organization_id
            and w.kind = t.kind and w.subject = t.subject)
)
insert into billing_usagereason as t (organization_id, kind, subject, since, value,
    base, reached_on)
select organization_id, kind, subject, %(now)s, value, base, reached_on from wanted
order by organization_id, kind, subject
on conflict (organization_id, kind, subject) do update set value = excluded.value,
    base = excluded.base, reached_on = excluded.reached_on
where (t.value, t.base, t.reached_on)
    is distinct from (excluded.value, excluded.base, excluded.reached_on)
"""
# The sort key of the organization list. Rows are locked in the order of their keys.
_RANK = """
with changed as materialized (
    select r.organization_id, f.use
    from unnest(%(ids)s::bigint[], %(uses)s::numeric[]) f (id, use)
    join billing_limitranking r on r.organization_id = f.id
    where r.entitlement_use <> f.use order by r.organization_id for update of r
)
update billing_limitranking r set entitlement_use = c.use from changed c
where r.organization_id = c.organization_id
"""


def fill_usage_reasons(
    organization_ids: Sequence[int], *, now: datetime | None = None
) -> None:
    """Prepare the reasons of organizations; those that no longer apply are deleted.

    They are measured before the lock is taken: of two results the older may be written
    last, until the next change or the sweep.
    """
    ids, now = sorted(set(organization_ids)), now or timezone.now()
    facts = list_usage_facts(ids, now=now)
    rows = orjson.dumps([_row(fact) for fact in facts.rows]).decode()
    none = Decimal(NO_ENTITLEMENT)
    uses = [facts.entitlement_uses.get(id_, none) for id_ in ids]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK)
        cursor.execute(_REPLACE, {"ids": ids, "rows": rows, "now": now})
        cursor.execute(_RANK, {"ids": ids, "uses": uses})


def _row(fact: UsageFact) -> dict[str, object]:
    return {
        "organization_id": fact.organization_id,
        "kind": fact.kind.value,
        "subject": fact.subject,
        "value": plain(fact.value),
        "base": plain(fact.base),
        "reached_on": fact.reached_on,
    }
