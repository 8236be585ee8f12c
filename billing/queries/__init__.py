"""Reads of money: the fleet's list, an organization's outlook, its invoices."""

from billing.queries.accounts import (
    Account,
    account,
    get_billing_account,
    list_stripe_ids,
)
from billing.queries.attention import (
    Attention,
    Concern,
    Kind,
    Reason,
    attention,
    has_customers,
)
from billing.queries.balances import Balance, balance
from billing.queries.fleet import (
    STATES,
    FleetFilters,
    FleetPage,
    FleetRow,
    State,
    fleet_page,
)
from billing.queries.outlook import LimitOutlook, Outlook, outlook
from billing.queries.scope import FleetScope
from billing.queries.standing import Badge, badges, list_invoices
from billing.queries.tabs import MOST_COUNTED, count_tabs

__all__ = [
    "MOST_COUNTED",
    "STATES",
    "Account",
    "Attention",
    "Badge",
    "Balance",
    "Concern",
    "FleetFilters",
    "FleetPage",
    "FleetRow",
    "FleetScope",
    "Kind",
    "LimitOutlook",
    "Outlook",
    "Reason",
    "State",
    "account",
    "attention",
    "badges",
    "balance",
    "count_tabs",
    "fleet_page",
    "get_billing_account",
    "has_customers",
    "list_invoices",
    "list_stripe_ids",
    "outlook",
]
