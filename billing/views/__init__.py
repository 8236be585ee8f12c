"""Pages of money: the fleet, the list of organizations, and an organization's tabs."""

from billing.views.actions import act, action, cancel_action, retry_action
from billing.views.alerts import (
    alerts,
    edit_limits,
    edit_recipients,
    resend_alert,
    snooze_alerts,
)
from billing.views.billing import billing
from billing.views.costs import costs
from billing.views.credits import credits  # noqa: A004  the page's name
from billing.views.drifts import drift_row, drifts, heal_all_drift, heal_drift
from billing.views.exports import organization_csv
from billing.views.failures import failures, retry_failure
from billing.views.fleet import fleet
from billing.views.fleet_alerts import fleet_alerts
from billing.views.inbox import ignore_event, inbox, resend_event
from billing.views.jobs import jobs, start_sync
from billing.views.letters import letter, letter_html, letters
from billing.views.organizations import organization_list, overview
from billing.views.periods import periods
from billing.views.unsubscribe import unsubscribe
from billing.views.voids import void

__all__ = [
    "act",
    "action",
    "alerts",
    "billing",
    "cancel_action",
    "costs",
    "credits",
    "drift_row",
    "drifts",
    "edit_limits",
    "edit_recipients",
    "failures",
    "fleet",
    "fleet_alerts",
    "heal_all_drift",
    "heal_drift",
    "ignore_event",
    "inbox",
    "jobs",
    "letter",
    "letter_html",
    "letters",
    "organization_csv",
    "organization_list",
    "overview",
    "periods",
    "resend_alert",
    "resend_event",
    "retry_action",
    "retry_failure",
    "snooze_alerts",
    "start_sync",
    "unsubscribe",
    "void",
]
