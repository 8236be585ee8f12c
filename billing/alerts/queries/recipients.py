"""The recipients of an organization's alerts, and the kinds they unsubscribed from."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from billing.alerts.kinds import AlertKind
from orgs.queries.prepared import array, fetch_all


@dataclass(frozen=True, slots=True)
class Recipients:
    """Addresses that receive an organization's alerts, and their opt-outs."""

    addresses: tuple[str, ...] = ()
    opt_outs: frozenset[tuple[str, str]] = frozenset()  # (address in lower case, kind)
    snoozed_until: datetime | None = None

    def for_kind(self, kind: AlertKind) -> list[str]:
        """Return the addresses that receive this kind; opt-outs of it are left out.

        Mandatory kinds ignore opt-outs.
        """
        return [
            address
            for address in self.addresses
            if kind.is_mandatory or (address.lower(), kind.slug) not in self.opt_outs
        ]


# `addresses` ranks the billing email (0) before the additional recipients (their row
# id). `recipients` keeps one of several spellings of an address: the first by rank,
# as it was typed.
_RECIPIENTS = """
with requested (id) as (select unnest(%(ids)s::bigint[])), addresses as (
    select o.id, 0 as rank, o.billing_email as address
    from requested q join orgs_organization o on o.id = q.id
    left join billing_alertsettings s on s.organization_id = q.id
    where coalesce(s.notifies_billing_email, true)
    union all
    select q.id, r.id, coalesce(m.email, r.address)
    from requested q join billing_alertrecipient r on r.organization_id = q.id
    left join orgs_member m on m.id = r.member_id
    where m.id is null or m.deleted_at is null
), recipients as (
    select distinct on (id, lower(address)) * from addresses where address <> ''
    order by id, lower(address), rank
)
select q.id, s.snoozed_until,
    array(select address from recipients r where r.id = q.id order by rank),
    array(select address from billing_alertoptout
        where organization_id = q.id order by id),
    array(select kind from billing_alertoptout
        where organization_id = q.id order by id)
from requested q left join billing_alertsettings s on s.organization_id = q.id
"""


def find_recipients(organization_ids: Iterable[int]) -> dict[int, Recipients]:
    """Return the recipients by organization; every requested one has an entry.

    Costs one statement, however many organizations there are.
    """
    rows = fetch_all(_RECIPIENTS, {"ids": array(organization_ids)})
    return {
        id_: Recipients(
            tuple(addresses),
            frozenset(zip(opted_out, kinds, strict=True)),
            snoozed_until,
        )
        for id_, snoozed_until, addresses, opted_out, kinds in rows
    }
