"""Declarations of the tables of money: invoices, periods, charges, credits, Stripe."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import (
    Case,
    DecimalField,
    F,
    QuerySet,
    Value,
    When,
)

from billing.exports.queries.model_tables import ModelTable
from billing.exports.queries.tables import Amounts, Level, Selection
from billing.ledger.queries.facts import billing_facts
from billing.models import (
    BillingPeriod,
    Charge,
    ChargeDecision,
    CreditEntry,
    Discrepancy,
    Invoice,
    InvoiceAdjustment,
    SpendingLimit,
    StripeAction,
    StripeEvent,
    Subscription,
    SyncRun,
)
from billing.models.mirrors import InvoiceStatus, SubscriptionStatus
from billing.money import is_limit_reached
from metrics.queries.periods import current_periods, open_period_costs
from orgs.errors import DomainError, NotFound

_FLEET = frozenset({Level.FLEET})
_MAX_ID_DIGITS = 18  # PostgreSQL refuses numbers above 2^63
_EVENT_TABS = {
    "": (StripeEvent.State.PARKED, StripeEvent.State.FAILED),
    "queued": (StripeEvent.State.PENDING, StripeEvent.State.RUNNING),
    "done": (StripeEvent.State.DONE,),
    "ignored": (StripeEvent.State.IGNORED,),
}


def one_of(column: str, values: Any) -> Callable[..., "QuerySet[Any]"]:
    """Return a filter by a column that refuses unknown values."""

    def narrow(rows: "QuerySet[Any]", value: str, _: Selection) -> "QuerySet[Any]":
        if value not in values:
            name = column.removesuffix("__in")
            accepted = ", ".join(values)
            message = f"Unknown {name}. Use one of: {accepted}."
            raise DomainError(message, fields=(name,))
        return rows.filter(**{column: value})

    return narrow


def _resolved(rows: "QuerySet[Any]", value: str, _: Selection) -> "QuerySet[Any]":
    if value not in ("0", "1", "all"):
        raise DomainError("`resolved` must be 0, 1, or all.", fields=("resolved",))
    if value == "all":
        return rows
    return rows.filter(resolved_at__isnull=value == "0")


def _of_run(rows: "QuerySet[Any]", value: str, selection: Selection) -> "QuerySet[Any]":
    is_id = value.isascii() and value.isdigit() and len(value) <= _MAX_ID_DIGITS
    runs = SyncRun.objects.filter(white_label__in=selection.white_label_ids)
    if not is_id or not runs.filter(pk=int(value)).exists():
        raise NotFound("Sync run not found.")
    return rows.filter(run_id=int(value))


def _event_tab(rows: "QuerySet[Any]", value: str, _: Selection) -> "QuerySet[Any]":
    states = {**_EVENT_TABS, "needs_action": _EVENT_TABS[""]}
    if value not in states:
        accepted = ", ".join(filter(None, states))
        message = f"Unknown state. Use one of: {accepted}."
        raise DomainError(message, fields=("state",))
    return rows.filter(state__in=states[value])


def numbered(name: str, column: str) -> Callable[..., "QuerySet[Any]"]:
    """Return a filter by an ID or another number; `name` is that of the parameter."""

    def narrow(rows: "QuerySet[Any]", value: str, _: Selection) -> "QuerySet[Any]":
        is_number = value.isascii() and value.isdigit()
        if not is_number or len(value) > _MAX_ID_DIGITS:
            raise DomainError(f"`{name}` must be a number.", fields=(name,))
        return rows.filter(**{column: int(value)})

    return narrow


_OWED = Case(
    When(status=InvoiceStatus.OPEN, then=F("amount_remaining")),
    default=Value(0),
    output_field=DecimalField(max_digits=24, decimal_places=3),
)

INVOICES = ModelTable(
    slug="invoices",
    title="Invoices",
    rows=Invoice.objects.all,
    columns={
        "number": "number",
        "stripe_id": "stripe_id",
        "status": "status",
        "currency": "currency",
        "total": "total",
        "amount_due": "amount_due",
        "amount_paid": "amount_paid",
        "amount_remaining": "amount_remaining",
        "owed": _OWED,
        "credited_before_payment": "credited_before_payment",
        "credited_after_payment": "credited_after_payment",
        "collection_method": "collection_method",
        "issued_at": "issued_at",
        "due_at": "due_at",
        "overdue_from": "overdue_from",
        "paid_at": "paid_at",
        "payment_attempts": "attempt_count",
        "next_payment_attempt_at": "next_attempt_at",
        "period": "period__number",
        "period_usage_cost": "period__cost",
        "read_from_stripe_at": "synced_at",
    },
    order=("-issued_at", "-pk"),
    dated_by="issued_at",
    amounts=Amounts.INVOICED,
    filters={"status": one_of("status", InvoiceStatus.values)},
)
ADJUSTMENTS = ModelTable(
    slug="adjustments",
    title="Credit notes, refunds, and disputes",
    rows=InvoiceAdjustment.objects.all,
    columns={
        "type": "kind",
        "number": "number",
        "stripe_id": "stripe_id",
        "invoice_stripe_id": "invoice_stripe_id",
        "status": "status",
        "currency": "currency",
        "amount": "amount",
        "reason": "reason",
        "happened_at": "happened_at",
        "respond_by_at": "respond_by_at",
    },
    order=("-happened_at", "-pk"),
    dated_by="happened_at",
    amounts=Amounts.INVOICED,
)
CHARGES = ModelTable(
    slug="charges",
    title="Charges",
    rows=Charge.objects.all,
    owner="period__organization",
    columns={
        "period": "period__number",
        "period_starts_at": "period__starts_at",
        "period_ends_at": "period__ends_at",
        "type": "kind",
        "product": "product",
        "currency": "currency",
        "cost": "cost",
        "amount": "amount",
        "state": "state",
        "attempts": "attempts",
        "error_code": "error_code",
        "error": "error",
        "invoice_stripe_id": "invoice_stripe_id",
        "stripe_id": "stripe_id",
        "created_at": "created_at",
        "finished_at": "finished_at",
    },
    order=("-period__number", "-kind", "product", "pk"),
    dated_by="created_at",
    amounts=Amounts.INVOICED,
    filters={"period": numbered("period", "period__number")},
)
CHARGE_DECISIONS = ModelTable(
    slug="charge-decisions",
    title="Charge decisions",
    rows=ChargeDecision.objects.all,
    owner="charge__period__organization",
    columns={
        "charge_id": "charge_id",
        "period": "charge__period__number",
        "product": "charge__product",
        "decision": "kind",
        "currency": "charge__currency",
        "amount": "amount",
        "by": "by",
        "reason": "note",
        "created_at": "created_at",
    },
    dated_by="created_at",
    amounts=Amounts.RECORDED,
    filters={"charge": numbered("charge", "charge_id")},
)
CREDITS = ModelTable(
    slug="credits",
    title="Credit ledger",
    rows=CreditEntry.objects.all,
    columns={
        "created_at": "created_at",
        "type": "kind",
        "currency": "organization__white_label__currency",
        "amount": "amount",
        "used_by_period": "period__number",
        "by": "by",
        "reason": "note",
    },
    dated_by="created_at",
    amounts=Amounts.RECORDED,
)
SUBSCRIPTIONS = ModelTable(
    slug="subscriptions",
    title="Subscriptions",
    rows=Subscription.objects.all,
    columns={
        "stripe_id": "stripe_id",
        "type": "kind",
        "status": "status",
        "tier": "tier",
        "cycle_interval": "cycle_interval",
        "cycle_count": "cycle_count",
        "seats": "seats",
        "stripe_price_id": "stripe_price_id",
        "period_starts_at": "period_starts_at",
        "period_ends_at": "period_ends_at",
        "trial_ends_at": "trial_ends_at",
        "paused_at": "paused_at",
        "pause_reason": "pause_reason",
        "cancels_at": "cancels_at",
        "read_from_stripe_at": "synced_at",
    },
    filters={"status": one_of("status", SubscriptionStatus.values)},
)
ACTIONS = ModelTable(
    slug="stripe-actions",
    title="Stripe actions",
    rows=StripeAction.objects.all,
    columns={
        "id": "pk",
        "action": "kind",
        "state": "state",
        "requested_by": "requested_by",
        "reason": "note",
        "created_at": "created_at",
        "attempts": "attempts",
        "error_code": "error_code",
        "error": "error",
        "finished_at": "finished_at",
    },
    dated_by="created_at",
)
DISCREPANCIES = ModelTable(
    slug="discrepancies",
    title="Discrepancies",
    rows=Discrepancy.objects.all,
    white_label="white_label",
    columns={
        "type": "kind",
        "stripe_id": "stripe_id",
        "in_orgdesk": "orgdesk_value",
        "in_stripe": "stripe_value",
        "currency": "currency",
        "amount": "amount",
        "first_seen_at": "first_seen_at",
        "last_seen_at": "last_seen_at",
        "resolved_at": "resolved_at",
        "resolved_by": "resolved_by",
        "sync_run": "run_id",
    },
    order=("-last_seen_at", "-pk"),
    dated_by="first_seen_at",
    filters={
        "kind": one_of("kind", Discrepancy.Kind.values),
        "resolved": _resolved,
        "run": _of_run,
    },
    has_unassigned=True,
)
SYNC_RUNS = ModelTable(
    slug="sync-runs",
    title="Sync runs",
    rows=SyncRun.objects.all,
    owner="",
    white_label="white_label",
    columns={
        "id": "pk",
        "requested_at": "created_at",
        "requested_by": "requested_by",
        "state": "state",
        "stage": "stage",
        "repairs": "repairs",
        "started_at": "started_at",
        "finished_at": "finished_at",
        "objects_read": "done",
        "rows_written": "written",
        "discrepancies": "discrepancy_count",
        "errors": "errors",
        "error": "error",
    },
    dated_by="created_at",
    levels=_FLEET,
)
WEBHOOK_EVENTS = ModelTable(
    slug="webhook-events",
    title="Webhook events",
    rows=StripeEvent.objects.all,
    columns={
        "event_id": "event_id",
        "type": "type",
        "object_id": "object_id",
        "state": "state",
        "source": "source",
        "created_at": "happened_at",
        "received_at": "received_at",
        "attempts": "attempts",
        "reason": "reason",
    },
    dated_by="received_at",
    filters={"state": _event_tab},
    has_unassigned=True,
)


class _PeriodTable(ModelTable):
    """Periods, also the open one with its cost to date, as every page shows it."""

    def read_values(self, keys: Sequence[int]) -> dict[int, list[Any]]:
        rows = super().read_values(keys)
        owner, cost, state = map(self.names.index, ("organization_id", "cost", "state"))
        open_rows = [row for row in rows.values() if row[state] == "open"]
        running = current_periods([row[owner] for row in open_rows])
        for row in open_rows:
            row[cost] = running[row[owner]].cost.cost
        return rows


def _is_open(when_open: str, when_closed: str) -> Case:
    return Case(When(ends_at=None, then=Value(when_open)), default=Value(when_closed))


PERIODS = _PeriodTable(
    slug="periods",
    title="Billing periods",
    rows=BillingPeriod.objects.all,
    columns={
        "number": "number",
        "starts_at": "starts_at",
        "ends_at": "ends_at",
        "state": _is_open("open", "closed"),
        "currency": "organization__white_label__currency",
        "cost": "cost",
        "cost_is": _is_open(Amounts.ESTIMATE, Amounts.INVOICED),
        "free_balance_used": "free_balance_used",
        "credit_used": "credit_used",
        "invoice": "invoice__number",
        "invoice_stripe_id": "invoice__stripe_id",
        "closed_at": "closed_at",
        "closed_by": "closed_by",
        "reason": "note",
    },
    order=("-number", "-pk"),
    dated_by="starts_at",
    amounts=Amounts.MIXED,
)


class _LimitTable(ModelTable):
    """Spending limits with the cost that alerts compare with them."""

    def read_values(self, keys: Sequence[int]) -> dict[int, list[Any]]:
        rows = super().read_values(keys)
        owner, amount, cost, is_reached = map(
            self.names.index, ("organization_id", "amount", "cost", "is_reached")
        )
        ids = sorted({row[owner] for row in rows.values()})
        costs, facts = open_period_costs(ids), billing_facts(ids)
        for row in rows.values():
            row[cost] = facts[row[owner]].payable(costs[row[owner]].cost)
            row[is_reached] = is_limit_reached(row[cost], row[amount])
        return rows


SPENDING_LIMITS = _LimitTable(
    slug="spending-limits",
    title="Spending limits",
    rows=SpendingLimit.objects.filter(amount__gt=0).all,
    columns={
        "type": "kind",
        "amount": "amount",
        "currency": "organization__white_label__currency",
        "cost": Value(None, output_field=DecimalField()),
        "is_reached": Value(False),
        "version": "version",
    },
    order=("-kind", "pk"),
    amounts=Amounts.ESTIMATE,
    filters={"kind": one_of("kind", SpendingLimit.Kind.values)},
)
MODEL_TABLES = (
    INVOICES,
    PERIODS,
    SPENDING_LIMITS,
    ADJUSTMENTS,
    CHARGES,
    CHARGE_DECISIONS,
    CREDITS,
    SUBSCRIPTIONS,
    ACTIONS,
    DISCREPANCIES,
    SYNC_RUNS,
    WEBHOOK_EVENTS,
)
