"""The recipients of an organization's alerts, and the kinds they unsubscribed from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from billing.alerts.kinds import AlertKind, AlertPercents
from billing.models import AlertRecipient, AlertSettings, WebhookEndpoint
from orgs.models import Organization
from orgs.queries.prepared import array, fetch_all


@dataclass(frozen=True, slots=True)
class Recipients:
    """Addresses that receive an organization's alerts, their opt-outs, and settings."""

    addresses: tuple[str, ...] = ()
    opt_outs: frozenset[tuple[str, str]] = frozenset()  # (address in lower case, kind)
    snoozed_until: datetime | None = None
    staff: tuple[str, ...] = ()  # of finance and operators who see the organization
    has_endpoints: bool = False  # webhook endpoints, such as a channel of Slack
    percents: AlertPercents = field(default_factory=AlertPercents)

    def is_snoozed(self, kind: AlertKind, now: datetime) -> bool:
        """Return whether alerts of the kind are recorded and not sent at the moment."""
        is_snoozed = self.snoozed_until is not None and self.snoozed_until > now
        return is_snoozed and not kind.is_for_staff

    def for_kind(self, kind: AlertKind) -> list[str]:
        """Return the addresses that receive this kind; opt-outs of it are left out.

        Mandatory kinds ignore opt-outs.
        """
        return [
            address
            for address in (self.staff if kind.is_for_staff else self.addresses)
            if kind.is_mandatory or (address.lower(), kind.slug) not in self.opt_outs
        ]


# `addresses` ranks the billing email (0) before the additional recipients (their row
# id). `recipients` keeps one of several spellings of an address: the first by rank,
# as it was typed. Staff are few: superusers and the roles that may set prices.
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
        where organization_id = q.id order by id),
    array(select min(u.email) from orgs_user u
        where u.is_active and u.email <> '' and (u.white_label_id = o.white_label_id
                or u.white_label_id is null and u.is_staff)
            and (u.is_superuser or exists (
                select from orgs_user_groups m join auth_group g on g.id = m.group_id
                where m.user_id = u.id and g.name in ('finance', 'operator')))
        group by lower(u.email) order by lower(u.email)),
    exists (select from billing_alertrecipient e
        join billing_webhookendpoint w on w.id = e.endpoint_id and w.disabled_at is null
        where e.organization_id = q.id),
    s.limit_percents, s.entitlement_percents
from requested q join orgs_organization o on o.id = q.id
left join billing_alertsettings s on s.organization_id = q.id
"""


def endpoints_of(organization: Organization) -> QuerySet[WebhookEndpoint]:
    """Return the webhook endpoints that may be recipients of an organization."""
    rows = WebhookEndpoint.objects.filter(white_label=organization.white_label_id)
    return rows.filter(Q(organization=None) | Q(organization=organization))


def find_recipients(organization_ids: Iterable[int]) -> dict[int, Recipients]:
    """Return the recipients by organization; every requested one has an entry.

    Costs one statement, however many organizations there are.
    """
    rows = fetch_all(_RECIPIENTS, {"ids": array(organization_ids)})
    return {row[0]: _recipients(row) for row in rows}


def _recipients(row: Sequence[Any]) -> Recipients:
    _, snoozed_until, addresses, opted_out, kinds, staff, has_endpoints, *lists = row
    return Recipients(
        tuple(addresses),
        frozenset(zip(opted_out, kinds, strict=True)),
        snoozed_until,
        tuple(staff),
        has_endpoints,
        AlertPercents(*(None if chosen is None else tuple(chosen) for chosen in lists)),
    )


def read_chosen(organization_id: int) -> dict[str, Any]:
    """Return who is chosen: the billing email, members, endpoints, and addresses.

    IDs are texts, and addresses are lines, in the order in which they were added.
    """
    settings = AlertSettings.objects.filter(organization=organization_id).first()
    rows = AlertRecipient.objects.filter(organization=organization_id).order_by("id")
    return {
        "notifies_billing_email": settings is None or settings.notifies_billing_email,
        "members": [str(row.member_id) for row in rows if row.member_id],
        "endpoints": [str(row.endpoint_id) for row in rows if row.endpoint_id],
        "addresses": "\n".join(row.address for row in rows if row.address),
    }
