"""Descriptions of the changes of accounts, limits, alerts, and what Stripe has."""

from typing import Any
from zoneinfo import ZoneInfo

from billing.alerts.kinds import ALERT_KINDS
from billing.models.webhooks import DisabledBecause
from orgs.catalog import Scope
from orgs.days import day_of
from orgs.queries.history import Values
from orgs.web.history import (
    Description,
    Facts,
    Field,
    describe,
    instant,
    items,
    money,
    name_of,
    number,
    word,
)
from orgs.web.templatetags import display

_READ = Scope.BILLING_READ
_ADJUSTMENTS = {"credit_note": "credit note"}


def _limit(row: Values, facts: Facts) -> str:
    return f"{row['kind']} limit"


def _new_limit(row: Values, facts: Facts) -> str:
    amount = row["amount"]
    is_set = f" set to {money(amount, facts)}" if amount else ": no limit"
    return f"{_limit(row, facts)}{is_set}"


def _subscription(row: Values, facts: Facts) -> str:
    return f"{row['kind']} subscription {row['stripe_id']}"


def _new_subscription(row: Values, facts: Facts) -> str:
    status = word(row["status"], facts)
    return f"{_subscription(row, facts)} added: {row['tier']}, {status}"


def _invoice(row: Values, facts: Facts) -> str:
    return f"invoice {row['number'] or row['stripe_id']}"


def _amount(row: Values, name: str) -> str:
    return display.money(row[name], row["currency"])


def _new_invoice(row: Values, facts: Facts) -> str:
    on = display.day_year(day_of(row["issued_at"], ZoneInfo(facts.zone)))
    total, status = _amount(row, "total"), word(row["status"], facts)
    return f"{_invoice(row, facts)} of {on}: {total}, {status}"


def _adjustment(row: Values, facts: Facts) -> str:
    kind = _ADJUSTMENTS.get(row["kind"], row["kind"])
    return f"{kind} {row['number'] or row['stripe_id']}"


def _new_adjustment(row: Values, facts: Facts) -> str:
    amount, status = _amount(row, "amount"), word(row["status"], facts)
    return f"{_adjustment(row, facts)} of {amount} added: {status}"


def _recipient(row: Values, facts: Facts) -> str:
    if row["member_id"]:
        member = name_of("orgs.Member")(row["member_id"], facts)
        return f"alert recipient {member}"
    if row["endpoint_id"]:
        endpoint = name_of("billing.WebhookEndpoint")(row["endpoint_id"], facts)
        return f"alert recipient, webhook endpoint {endpoint}"
    return f"alert recipient {row['address']}"


def _kind(value: Any, facts: Facts) -> str:
    return ALERT_KINDS[value].label if value in ALERT_KINDS else word(value, facts)


def _opt_out(row: Values, facts: Facts) -> str:
    return f"{row['address']} unsubscribed from {_kind(row['kind'], facts)}"


def _percents(value: Any, facts: Facts) -> str:
    return ", ".join(f"{percent}%" for percent in value) if value else "the default"


def _new_settings(row: Values, facts: Facts) -> str:
    if row["snoozed_until"]:
        return f"alert emails snoozed until {instant(row['snoozed_until'], facts)}"
    verb = "added to" if row["notifies_billing_email"] else "removed from"
    return f"billing email {verb} the alert recipients"


describe(
    "billing.BillingAccount",
    Description(
        "billing",
        lambda row, facts: "billing account",
        {
            "stripe_id": Field("Stripe customer"),
            "free_balance": Field("free balance", money, is_amount=True),
            "last_invoice_at": Field("last sync with Stripe", instant),
        },
        # The ledger of credits says who changed the free balance, and why.
        noise=frozenset({"last_invoice_at", "free_balance"}),
        begins=False,
        scope=_READ,
    ),
)
describe(
    "billing.SpendingLimit",
    Description(
        "limits",
        _limit,
        {
            "kind": Field("kind"),
            "amount": Field("", money, is_amount=True),
        },
        added=_new_limit,
        scope=_READ,
    ),
)
describe(
    "billing.Subscription",
    Description(
        "subscriptions",
        _subscription,
        {
            "stripe_id": Field("Stripe ID"),
            "kind": Field("kind"),
            "stripe_item_id": Field("item"),
            "status": Field("status", word),
            "tier": Field("tier"),
            "cycle_interval": Field("billing interval"),
            "cycle_count": Field("intervals per cycle", number, is_amount=True),
            "stripe_price_id": Field("price"),
            "seats": Field("seats", number, is_amount=True),
            "began_at": Field("start", instant),
            "trial_starts_at": Field("trial start", instant),
            "trial_ends_at": Field("trial end", instant),
            "cycle_anchor_at": Field("cycle anchor", instant),
            "cancels_at": Field("cancellation", instant),
            "pause_reason": Field("reason of the pause"),
            "paused_at": Field("", instant, phrases=("paused", "resumed")),
            "period_starts_at": Field("period start", instant),
            "period_ends_at": Field("period end", instant),
            "synced_at": Field("last sync", instant),
        },
        # Instants that a sync fills in, and that move with each cycle.
        noise=frozenset(
            {
                *("synced_at", "stripe_item_id", "period_starts_at", "period_ends_at"),
                *("began_at", "cycle_anchor_at", "trial_starts_at"),
            }
        ),
        added=_new_subscription,
        scope=_READ,
    ),
)
_INVOICE_AMOUNTS = {
    "total": "total",
    "amount_due": "amount due",
    "amount_paid": "amount paid",
    "amount_remaining": "amount remaining",
    "credited_before_payment": "credited before payment",
    "credited_after_payment": "credited after payment",
}
describe(
    "billing.Invoice",
    Description(
        "invoices",
        _invoice,
        {
            **{
                name: Field(label, money, is_amount=True)
                for name, label in _INVOICE_AMOUNTS.items()
            },
            "period_id": Field("billing period", is_hidden=True),
            "stripe_id": Field("Stripe ID"),
            "number": Field("number"),
            "status": Field("status", word),
            "currency": Field("currency", lambda value, facts: str(value).upper()),
            "issued_at": Field("issue date", instant),
            "collection_method": Field("collection", word),
            "due_at": Field("due date", instant),
            "attempt_count": Field("payment attempts", number, is_amount=True),
            "next_attempt_at": Field("next payment attempt", instant),
            "paid_at": Field("payment date", instant),
            "hosted_url": Field("payment page", is_hidden=True),
            "payment_ids": Field("payments", is_hidden=True),
            "synced_at": Field("last sync", instant),
        },
        noise=frozenset(
            {
                "synced_at",
                "hosted_url",
                "payment_ids",
                "next_attempt_at",
                "period_id",
            }
        ),
        added=_new_invoice,
        scope=_READ,
    ),
)
describe(
    "billing.InvoiceAdjustment",
    Description(
        "invoices",
        _adjustment,
        {
            "kind": Field("kind", word),
            "stripe_id": Field("Stripe ID"),
            "invoice_stripe_id": Field("invoice"),
            "payment_ids": Field("payments", is_hidden=True),
            "number": Field("number"),
            "status": Field("status", word),
            "reason": Field("reason", word),
            "currency": Field("currency", lambda value, facts: str(value).upper()),
            "amount": Field("amount", money, is_amount=True),
            "happened_at": Field("date", instant),
            "respond_by_at": Field("evidence due", instant),
            "synced_at": Field("last sync", instant),
        },
        noise=frozenset({"synced_at", "payment_ids"}),
        added=_new_adjustment,
        scope=_READ,
    ),
)
describe(
    "billing.AlertSettings",
    Description(
        "alerts",
        lambda row, facts: "alert emails",
        {
            "notifies_billing_email": Field(
                phrases=("also sent to the billing email", "not sent to billing email")
            ),
            "snoozed_until": Field(
                "", instant, phrases=("snoozed until {}", "resumed")
            ),
            "limit_percents": Field("percentages of limits", _percents),
            "entitlement_percents": Field("percentages of entitlements", _percents),
        },
        added=_new_settings,
        scope=_READ,
    ),
)
describe(
    "billing.AlertRecipient",
    Description(
        "alerts",
        _recipient,
        {
            "member_id": Field("member", name_of("orgs.Member")),
            "address": Field("address"),
            "endpoint_id": Field("webhook endpoint"),
        },
        scope=_READ,
        references={"member_id": "orgs.Member"},
    ),
)
describe(
    "billing.AlertOptOut",
    Description(
        "alerts",
        _opt_out,
        {
            "address": Field("address"),
            "kind": Field("kind", _kind),
            "created_at": Field("date", instant),
        },
        added=_opt_out,
        removed=lambda row, facts: (
            f"{row['address']} subscribed again to {_kind(row['kind'], facts)}"
        ),
        scope=_READ,
    ),
)


describe(
    "billing.CustomerLink",
    Description(
        "customer_page",
        lambda row, facts: f"link to the customer page for {row['name']}",
        {
            "name": Field("name"),
            "frame_origins": Field("sites that may embed it", items),
            "created_by_id": Field("author", name_of("orgs.User")),
            "created_by_name": Field("name of the author"),
            "created_at": Field("creation", instant),
            "expires_at": Field("expiry", instant),
            "revoked_at": Field(phrases=("revoked", "reinstated")),
        },
        added=lambda row, facts: (
            f"link to the customer page made for {row['name']}, valid until"
            f" {instant(row['expires_at'], facts)}"
        ),
        scope=_READ,
        references={"created_by_id": "orgs.User"},
    ),
)


def _endpoint(row: Values, facts: Facts) -> str:
    return f"webhook endpoint {row['description'] or row['url']}"


def _because(value: Any, facts: Facts) -> str:
    return DisabledBecause(value).label.lower() if value else "none"


describe(
    "billing.WebhookEndpoint",
    Description(
        "integrations",
        _endpoint,
        {
            "white_label_id": Field("white label", name_of("orgs.WhiteLabel")),
            "kind": Field("kind", word),
            "url": Field("URL"),
            "description": Field("description"),
            "event_types": Field("event types", items),
            "set_at": Field(phrases=("secret replaced", "secret removed")),
            "overlap_ends_at": Field("old secret", is_hidden=True),
            "created_by": Field("author"),
            "created_at": Field("creation", instant),
            "disabled_at": Field(phrases=("disabled", "enabled")),
            "disabled_because": Field("cause", _because),
        },
        added=lambda row, facts: f"{_endpoint(row, facts)} added: {row['url']}",
        scope=_READ,
        references={"white_label_id": "orgs.WhiteLabel"},
    ),
)


def _snooze(row: Values, facts: Facts) -> str:
    return f"snooze of {word(row['reason'], facts)}"


def _new_snooze(row: Values, facts: Facts) -> str:
    reason = word(row["reason"], facts)
    until = instant(row["until"], facts)
    return f"{reason} snoozed until {until}: {row['note']}"


describe(
    "billing.ReasonSnooze",
    Description(
        "needs_action",
        _snooze,
        {
            "reason": Field("reason", word),
            "until": Field("end", instant),
            "note": Field("note"),
            "by": Field("author"),
            "created_at": Field("creation", instant),
            "reason_at": Field("start of the reason", instant),
            "level": Field("level", number, is_amount=True),
            "ended_at": Field("", instant, phrases=("ended", "restarted")),
            "ending": Field("cause", word),
            "ended_by": Field("ended by"),
        },
        added=_new_snooze,
        scope=_READ,
    ),
)
describe(
    "billing.SavedView",
    Description(
        "accounts",
        lambda row, facts: f"saved view {row['name']}",
        {
            "owner_id": Field("owner", name_of("orgs.User")),
            "white_label_id": Field("white label", name_of("orgs.WhiteLabel")),
            "name": Field("name"),
            "query": Field("filters"),
            "is_shared": Field(phrases=("shared", "no longer shared")),
            "created_at": Field("creation", instant),
        },
        permission="orgs.view_user",
        references={"owner_id": "orgs.User", "white_label_id": "orgs.WhiteLabel"},
    ),
)
