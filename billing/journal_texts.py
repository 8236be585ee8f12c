"""The ledgers of billing in the history: credits, periods, decisions, and actions."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from billing.models import ChargeDecision, CreditEntry, StripeAction
from billing.models.charges import ChargeDecisionKind
from billing.models.credits import CreditKind
from orgs.catalog import Scope
from orgs.days import ONE_DAY, day_of, first_instant
from orgs.models.work import Work
from orgs.queries.history import Values
from orgs.queries.journals import Journal, register_journal
from orgs.web.history import Description, Facts, describe, money
from orgs.web.templatetags import display

_State = Work.State


def _credit(row: Values, facts: Facts) -> str:
    kind = "free balance" if row["kind"] == CreditKind.FREE_BALANCE else "credit"
    amount = money(abs(row["amount"]), facts)
    if row["period"]:
        return f"{kind} of {amount} used by billing period {row['period']}"
    verb = "added" if row["amount"] > 0 else "removed"
    return f"{kind} of {amount} {verb}"


def _period(row: Values, facts: Facts) -> str:
    cost = money(row["cost"], facts)
    span = _span(row["starts_at"], row["ends_at"], ZoneInfo(facts.zone))
    paid = ""
    if row["paid"]:
        paid = f", of which {money(row['paid'], facts)} paid by balances"
    return f"billing period {row['number']} closed: {span}, cost {cost}{paid}"


def _span(starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> str:
    """Return the first and the last day; instants if a day is not whole."""
    days = day_of(starts_at, zone), day_of(ends_at, zone)
    if (starts_at, ends_at) == tuple(first_instant(day, zone) for day in days):
        ends = display.day_year(days[0]), display.day_year(days[1] - ONE_DAY)
    else:
        ends = display.instant(starts_at, zone), display.instant(ends_at, zone)
    return " to ".join(ends)


_DECISIONS = {
    ChargeDecisionKind.CHARGE_AGAIN: "charged again",
    ChargeDecisionKind.WRITE_OFF: "written off",
    ChargeDecisionKind.RETURN: "returned as credit",
}


def _decision(row: Values, facts: Facts) -> str:
    amount = display.money(row["amount"], row["currency"])
    what = row["product"] or "credit"
    verb = _DECISIONS[ChargeDecisionKind(row["kind"])]
    return f"charge for {what} of billing period {row['period']}: {amount} {verb}"


_ACTION_STATES = {
    _State.PENDING: "requested",
    _State.RUNNING: "in progress",
    _State.DONE: "done",
    _State.FAILED: "failed",
    _State.CANCELED: "canceled",
}


def _action(row: Values, facts: Facts) -> str:
    label = StripeAction.Kind(row["kind"]).label
    details = (row["summary"] or "").rstrip(".")
    about = f" ({details})" if details else ""
    error = f": {row['error']}" if row["error"] else ""
    return f"{label}{about}: {_ACTION_STATES[_State(row['state'])]}{error}"


def _write_off(row: Values, facts: Facts) -> str:
    quantity = display.count(row["quantity"])
    meter = row["meter"].replace("_", " ")
    return (
        f"{quantity} {meter} of {row['product']} without a price in billing period"
        f" {row['period']} written off"
    )


def _export(row: Values, facts: Facts) -> str:
    return f"export of {row['title']} requested"


def _describe(
    kind: str, write: Any, journal: Journal, scope: Scope = Scope.BILLING_READ
) -> None:
    """Register a journal and the sentence of its rows."""
    register_journal(journal)
    described = Description(kind, write, {}, added=write, scope=scope)
    describe(journal.label, described)


_describe(
    "billing",
    _credit,
    Journal(
        label=CreditEntry._meta.label,
        model="credit entry",
        source="""billing_creditentry t
            left join billing_billingperiod p on p.id = t.period_id""",
        values={"kind": "t.kind", "amount": "t.amount", "period": "p.number"},
    ),
)
_describe(
    "billing",
    _period,
    Journal(
        label="billing.BillingPeriod",
        model="billing period",
        source="billing_billingperiod t",
        values={
            "number": "t.number",
            "starts_at": "t.starts_at",
            "ends_at": "t.ends_at",
            "cost": "t.cost",
            "paid": "t.free_balance_used + t.credit_used",
        },
        at="t.closed_at",
        author="t.closed_by",
        condition="and t.closed_at is not null",
    ),
)
_describe(
    "billing",
    _decision,
    Journal(
        label=ChargeDecision._meta.label,
        model="charge decision",
        source="""billing_chargedecision t join billing_charge c on c.id = t.charge_id
            join billing_billingperiod p on p.id = c.period_id""",
        values={
            "kind": "t.kind",
            "amount": "t.amount",
            "currency": "c.currency",
            "product": "c.product",
            "period": "p.number",
        },
        owner="p.organization_id",
    ),
)
_describe(
    "billing",
    _action,
    Journal(
        label=StripeAction._meta.label,
        model="Stripe action",
        source="billing_stripeaction t",
        values={
            "kind": "t.kind",
            "state": "t.state",
            "error": "t.error",
            "summary": "t.parameters ->> 'summary'",
        },
        author="t.requested_by",
    ),
)
_describe(
    "billing",
    _write_off,
    Journal(
        label="billing.UnpricedWriteOff",
        model="write-off of usage without a price",
        source="""billing_unpricedwriteoff t
            join billing_billingperiod p on p.id = t.period_id""",
        values={
            "product": "t.product",
            "meter": "t.meter",
            "quantity": "t.quantity",
            "period": "p.number",
        },
        owner="p.organization_id",
    ),
)
_describe(
    "exports",
    _export,
    Journal(
        label="billing.Export",
        model="export",
        source="billing_export t left join orgs_user u on u.id = t.user_id",
        values={"title": "t.title", "table": "t.table"},
        author="coalesce(u.username, 'key ' || t.api_key_id)",
        note="''",
    ),
    Scope.ORGANIZATIONS_READ,
)
