"""Query of what invoices have besides usage: prices, credit, earlier charges.

Three statements for any number of organizations.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from billing.cycles import Cycle
from billing.models import Charge
from billing.models.credits import CreditKind
from billing.models.mirrors import LIVE, SubscriptionKind, SubscriptionStatus
from billing.money import ZERO, exactly
from orgs.queries.prepared import array, fetch_all
from orgs.sql import sql_list


@dataclass(frozen=True, slots=True)
class BilledItem:
    """An item of a live subscription, with the price that the mirror has.

    `quantity` is None for a metered item, whose amount only Stripe knows, and
    `unit_amount` if the price is not known or not a single amount. A subscription
    without mirrored items is read as one item.
    """

    organization_id: int
    subscription_id: int  # our key
    subscription_stripe_id: str
    kind: str
    tier: str
    status: str
    bills_at: datetime | None
    cancels_at: datetime | None
    trial_ends_at: datetime | None
    cycle_interval: str
    cycle_count: int
    price_stripe_id: str
    quantity: int | None
    name: str
    unit_amount: Decimal | None
    currency: str
    synced_at: datetime

    @property
    def cycle(self) -> Cycle:
        """How often Stripe bills the item."""
        return Cycle(self.cycle_interval, self.cycle_count)

    @property
    def amount(self) -> Decimal | None:
        """Amount of a cycle; None if only Stripe knows it."""
        if self.unit_amount is None or self.quantity is None:
            return None
        return self.unit_amount * self.quantity

    @property
    def is_platform(self) -> bool:
        return self.kind == SubscriptionKind.PLATFORM

    @property
    def is_in_trial(self) -> bool:
        return self.status == SubscriptionStatus.TRIALING

    @property
    def renews(self) -> bool:
        """True if its next cycle is billed: the subscription goes on until then."""
        if self.status == SubscriptionStatus.PAUSED or self.bills_at is None:
            return False
        return self.cancels_at is None or self.cancels_at > self.bills_at


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """A line of Stripe's preview; `price_stripe_id` is empty for an item."""

    description: str
    amount: Decimal
    price_stripe_id: str
    is_proration: bool


@dataclass(frozen=True, slots=True)
class PreviewedUsage:
    """What Stripe would take off and add to an amount of usage that it was asked about.

    The amount is 0 if nothing was asked.
    """

    amount: Decimal
    discount: Decimal
    tax: Decimal

    def discount_of(self, amount: Decimal) -> Decimal:
        """Return the discount of another amount, in proportion and exact."""
        with exactly():
            return self.discount * amount / self.amount if self.amount else ZERO

    def tax_of(self, amount: Decimal) -> Decimal:
        """Return the tax of another amount that was discounted, in proportion."""
        taxed = self.amount - self.discount
        with exactly():
            return self.tax * amount / taxed if taxed else ZERO


@dataclass(frozen=True, slots=True)
class Preview:
    """Stripe's preview of the next invoice of a subscription, without usage."""

    organization_id: int
    subscription_stripe_id: str
    terms: str  # those that it was read for
    has_invoice: bool
    currency: str
    lines: tuple[PreviewLine, ...]
    discount: Decimal
    tax: Decimal
    customer_balance: Decimal  # below 0 for credit
    usage: PreviewedUsage | None  # None if Stripe did not state it
    read_at: datetime
    is_outdated: bool  # something that it depends on has changed since


@dataclass(frozen=True, slots=True)
class InvoiceTerms:
    """The items, credit, and charges of closed periods that wait for an invoice.

    `previews` are by the subscription's Stripe id.
    """

    items: tuple[BilledItem, ...] = ()
    previews: Mapping[str, Preview] = field(default_factory=dict)
    credit: Decimal = ZERO
    waiting: Mapping[str, Decimal] = field(default_factory=dict)  # by currency

    def by_subscription(self) -> dict[str, tuple[BilledItem, ...]]:
        """Return the items of each subscription of Stripe."""
        groups: dict[str, list[BilledItem]] = {}
        for item in self.items:
            groups.setdefault(item.subscription_stripe_id, []).append(item)
        return {id_: tuple(items) for id_, items in groups.items()}


def terms_of(items: Sequence[BilledItem]) -> str:
    """Return a digest of what Stripe's preview of a subscription depends on."""
    terms = sorted(
        f"{item.status} {item.bills_at} {item.cancels_at} {item.trial_ends_at}"
        f" {item.price_stripe_id} {item.quantity}"
        for item in items
    )
    return sha256("\n".join(terms).encode()).hexdigest()


# A subscription of Stripe that sells both kinds has a row for each, and each row has
# the items of its kind. In a trial the next invoice comes at its end.
_ITEMS = f"""
select s.organization_id, s.id, s.stripe_id, s.kind, coalesce(i.tier, s.tier), s.status,
    case when s.status = '{SubscriptionStatus.TRIALING}'
        then coalesce(s.trial_ends_at, i.period_ends_at, s.period_ends_at)
        else coalesce(i.period_ends_at, s.period_ends_at) end,
    s.cancels_at, s.trial_ends_at,
    coalesce(nullif(p.cycle_interval, ''), s.cycle_interval),
    case when p.cycle_interval <> '' then p.cycle_count else s.cycle_count end,
    coalesce(i.stripe_price_id, s.stripe_price_id),
    case when p.is_metered then null when i.id is null then coalesce(s.seats, 1)
        else i.quantity end,
    coalesce(p.name, ''), p.unit_amount, coalesce(p.currency, w.currency),
    coalesce(i.synced_at, s.synced_at)
from billing_subscription s
join orgs_organization o on o.id = s.organization_id
join orgs_whitelabel w on w.id = o.white_label_id
left join billing_subscriptionitem i on i.subscription_stripe_id = s.stripe_id
    and i.kind = s.kind
left join billing_price p
    on p.stripe_id = coalesce(i.stripe_price_id, s.stripe_price_id)
where s.organization_id = any(%(ids)s::bigint[]) and s.status in {sql_list(LIVE)}
order by s.organization_id, s.kind, s.id, i.id
"""  # noqa: S608  only constants
_BALANCES = f"""
select o.id,
    (select coalesce(sum(amount), 0) from billing_creditentry
        where organization_id = o.id and kind = '{CreditKind.CREDIT}'),
    coalesce(c.currencies, '{{}}'), coalesce(c.amounts, '{{}}')
from unnest(%(ids)s::bigint[]) o (id)
cross join lateral (
    select array_agg(currency) as currencies, array_agg(amount) as amounts from (
        select c.currency, sum(c.amount) as amount
        from billing_billingperiod p join billing_charge c on c.period_id = p.id
        where p.organization_id = o.id and c.state = '{Charge.State.PENDING}'
            and c.invoice_stripe_id = ''
        group by 1 order by 1) sums) c
"""  # noqa: S608  only constants
_PREVIEWS = """
select organization_id, subscription_stripe_id, terms, has_invoice, currency, lines,
    discount, tax, customer_balance, usage_amount, usage_discount, usage_tax, read_at,
    outdated_at is not null
from billing_upcominginvoice where organization_id = any(%(ids)s::bigint[])
"""


def invoice_terms(organization_ids: Iterable[int]) -> dict[int, InvoiceTerms]:
    """Return the terms of each organization by its id, also without any."""
    parameters = {"ids": array(organization_ids)}
    items: dict[int, list[BilledItem]] = {}
    for row in fetch_all(_ITEMS, parameters):
        items.setdefault(row[0], []).append(BilledItem(*row))
    previews: dict[int, dict[str, Preview]] = {}
    for row in fetch_all(_PREVIEWS, parameters):
        preview = _read_preview(*row)
        previews.setdefault(row[0], {})[preview.subscription_stripe_id] = preview
    return {
        id_: InvoiceTerms(
            items=tuple(items.get(id_, ())),
            previews=previews.get(id_, {}),
            credit=credit,
            waiting=dict(zip(currencies, amounts, strict=True)),
        )
        for id_, credit, currencies, amounts in fetch_all(_BALANCES, parameters)
    }


def _read_preview(*row: Any) -> Preview:
    organization_id, id_, terms, has_invoice, currency, lines, *rest = row
    discount, tax, customer_balance, usage, off, on_top, read_at, is_outdated = rest
    return Preview(
        organization_id=organization_id,
        subscription_stripe_id=id_,
        terms=terms,
        has_invoice=has_invoice,
        currency=currency,
        lines=tuple(_read_line(line) for line in lines),
        discount=discount,
        tax=tax,
        customer_balance=customer_balance,
        usage=None if usage is None else PreviewedUsage(usage, off, on_top),
        read_at=read_at,
        is_outdated=is_outdated,
    )


def _read_line(line: Mapping[str, Any]) -> PreviewLine:
    amount = Decimal(line["amount"])
    return PreviewLine(line["description"], amount, line["price"], line["is_proration"])
