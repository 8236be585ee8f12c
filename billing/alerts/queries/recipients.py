"""Who is told of an organization's alerts, and who would rather not be."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from billing.alerts.kinds import AlertKind
from orgs.queries.prepared import array, fetch_all


@dataclass(frozen=True, slots=True)
class Told:
    """Addresses that get an organization's letters, and the kinds they refused."""

    addresses: tuple[str, ...] = ()
    refused: frozenset[tuple[str, str]] = frozenset()  # (address in lower case, kind)
    snoozed_until: datetime | None = None

    def of(self, kind: AlertKind) -> list[str]:
        """Who is told of this kind; of a duty, who opted out too."""
        return [
            address
            for address in self.addresses
            if kind.is_mandatory or (address.lower(), kind.slug) not in self.refused
        ]


# Of an address that is there twice, the one that was given first, as it was written.
_TOLD = """
with asked (id) as (select unnest(%(ids)s::bigint[])), addresses as (
    select o.id, 0 as rank, o.billing_email as address
    from asked a join orgs_organization o on o.id = a.id
    left join billing_alertsettings s on s.organization_id = a.id
    where coalesce(s.notifies_billing_email, true)
    union all
    select a.id, r.id, coalesce(m.email, r.address)
    from asked a join billing_alertrecipient r on r.organization_id = a.id
    left join orgs_member m on m.id = r.member_id
    where m.id is null or m.deleted_at is null
), told as (
    select distinct on (id, lower(address)) * from addresses where address <> ''
    order by id, lower(address), rank
)
select a.id, s.snoozed_until,
    array(select address from told where told.id = a.id order by rank),
    array(select address from billing_alertoptout
        where organization_id = a.id order by id),
    array(select kind from billing_alertoptout
        where organization_id = a.id order by id)
from asked a left join billing_alertsettings s on s.organization_id = a.id
"""


def find_recipients(organization_ids: Iterable[int]) -> dict[int, Told]:
    """By organization, in one statement; each that is asked for has an entry."""
    rows = fetch_all(_TOLD, {"ids": array(organization_ids)})
    return {
        id_: Told(tuple(told), frozenset(zip(refusing, kinds, strict=True)), snoozed)
        for id_, snoozed, told, refusing, kinds in rows
    }
