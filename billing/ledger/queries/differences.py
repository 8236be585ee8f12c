"""Query of the amounts that charges have and Stripe's invoices do not.

A charge is on the lines of Stripe's invoices, as they were last read; an invoice that
is void, uncollectible or deleted charges nothing. One that Orgdesk created a moment ago
and has not mirrored yet does: the lines of a deleted one are deleted. What a person
decided about the rest is explained, and what is left is a difference.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db import connection

from billing.models import Charge, Invoice
from billing.money import exactly
from orgs.sql import sql_list


class LossCause(StrEnum):
    """Why an amount of a charge is not on Stripe's invoices."""

    INVOICE_VOIDED = "Invoice voided"
    INVOICE_MISSING = "Invoice no longer exists"
    UNCOLLECTIBLE = "Invoice marked uncollectible"
    CREDIT_NOTE = "Taken off by a credit note"
    LINE_REMOVED = "Line removed from the invoice"
    LINE_CHANGED = "Line changed on the invoice"
    CHARGED_TWICE = "On more invoices than one"


@dataclass(frozen=True, slots=True)
class ChargeDifference:
    """What was sent to Stripe for a charge, and what Stripe's invoices have of it.

    `invoice_status` is empty for an invoice that Stripe deleted. The amounts are those
    of the invoice's currency, below 0 for a credit.
    """

    charge_id: int
    organization_id: int
    white_label_id: int
    period: int  # number
    kind: str
    product: str
    amount: Decimal
    currency: str
    invoice_stripe_id: str
    invoice_status: str
    observed: Decimal  # on invoices that count
    credited: Decimal  # of it, taken off by credit notes; not in `observed`
    lines: int  # on invoices of any status
    decided: Decimal

    @property
    def open_amount(self) -> Decimal:
        """The amount that nothing explains; below 0 where Stripe has too much."""
        with exactly():
            return self.amount - self.observed - self.decided

    @property
    def is_lost(self) -> bool:
        """Part of the charge is missing, and not charged too often."""
        return bool(self.open_amount) and (self.open_amount > 0) == (self.amount > 0)

    @property
    def cause(self) -> LossCause:
        """Why there is a difference."""
        if not self.is_lost:
            return LossCause.CHARGED_TWICE
        if self.invoice_status in _CAUSES:
            return _CAUSES[self.invoice_status]
        if self.credited:
            return LossCause.CREDIT_NOTE
        return LossCause.LINE_CHANGED if self.lines else LossCause.LINE_REMOVED


_CAUSES = {
    Invoice.Status.VOID: LossCause.INVOICE_VOIDED,
    Invoice.Status.UNCOLLECTIBLE: LossCause.UNCOLLECTIBLE,
    "": LossCause.INVOICE_MISSING,
}
# Statuses of invoices that charge their lines, now or once they are finalized.
_CHARGING = (Invoice.Status.DRAFT, Invoice.Status.OPEN, Invoice.Status.PAID)
# Charges that Stripe accepted. Each of the three sums is read by an index on the
# charge; a charge has one or two lines and rarely a decision.
_DIFFERENCES = f"""
select c.id, p.organization_id, o.white_label_id, p.number, c.kind, c.product, c.amount,
    c.currency, c.invoice_stripe_id, coalesce(i.status, ''),
    coalesce(l.observed, 0), coalesce(l.credited, 0), l.count, coalesce(d.decided, 0)
from billing_charge c
join billing_billingperiod p on p.id = c.period_id
join orgs_organization o on o.id = p.organization_id
left join billing_invoice i on i.stripe_id = c.invoice_stripe_id
cross join lateral (
    select count(*),
        sum(x.amount - x.credited_amount) filter (where j.charges is not false)
            as observed,
        sum(x.credited_amount) filter (where j.charges is not false) as credited
    from billing_chargeline x
    left join lateral (
        select status in {sql_list(_CHARGING)} as charges from billing_invoice
        where stripe_id = x.invoice_stripe_id) j on true
    where x.charge_id = c.id) l
cross join lateral (
    select sum(y.amount) as decided from billing_chargedecision y
    where y.charge_id = c.id) d
where c.state = '{Charge.State.DONE}' and c.amount <> 0 and {{condition}}
order by c.id
"""  # noqa: S608  statuses are our own


def list_invoice_differences(invoice_ids: Iterable[str]) -> list[ChargeDifference]:
    """Return the charges of these invoices with what Stripe has of them, by id."""
    return _fetch("c.invoice_stripe_id = any(%s)", sorted(invoice_ids))


def list_period_differences(period_id: int) -> list[ChargeDifference]:
    """Return the sent charges of a period with what Stripe has of them, by id."""
    return _fetch("c.period_id = %s", period_id)


def list_differences_of_periods(period_ids: Iterable[int]) -> list[ChargeDifference]:
    """Return the sent charges of several periods with what Stripe has, by id."""
    return _fetch("c.period_id = any(%s)", sorted(period_ids))


def list_organization_differences(organization_id: int) -> list[ChargeDifference]:
    """Return an organization's charges with a difference, by id."""
    rows = _fetch("p.organization_id = %s", organization_id)
    return [row for row in rows if row.open_amount]


def find_difference(charge_id: int) -> ChargeDifference | None:
    """Return what Stripe has of a charge; None if it was not sent."""
    return next(iter(_fetch("c.id = %s", charge_id)), None)


def _fetch(condition: str, value: Any) -> list[ChargeDifference]:
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES.format(condition=condition), [value])
        rows: Sequence[Any] = cursor.fetchall()
    return [ChargeDifference(*row) for row in rows]
