"""Who may open each route: one declaration per page, checked before its view runs.

Operations of the API declare a scope each (`orgs.access.needs`), Django admin asks its
model pages, and a view that needs no login is marked as such. Every other route is in
the table below; one that is in no table is refused. Views also check whose rows they
show.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from config.middleware import OPEN_PREFIXES
from orgs.models import User

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PACKAGES = ("allauth.", "django.views.generic.")


@dataclass(frozen=True)
class Requirement:
    """What a person needs: one of these permissions to read, and to write.

    Without `writes`, those to read suffice. Without any, a login suffices.
    """

    label: str
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = field(default_factory=frozenset)

    def allows(self, user: Any, method: str) -> bool:
        """Return whether a person may send a request of this method."""
        needed = self.reads if method in _SAFE else self.writes or self.reads
        return not needed or any(user.has_perm(name) for name in needed)


def _needs(label: str, reads: str, writes: str = "") -> Requirement:
    return Requirement(label, frozenset(reads.split()), frozenset(writes.split()))


_READ, _BILLING = "orgs.view_organization", "billing.view_invoice"
_PAY, _PUSH = "billing.change_spendinglimit", "metrics.change_integration"
PUBLIC = Requirement("Without a login")
SIGNED_IN = Requirement("Own account")
_DIRECTORY = _needs("Organizations, people, usage, history", _READ)
_FILES = _needs("Files of the tables that they may see", f"{_READ} {_BILLING}")
_START = _needs("Start page and search", f"{_READ} {_BILLING}")
_ACCESS = _needs(
    "Access and details of an organization", _READ, "orgs.change_organization"
)
_SETUP = _needs("Setup guide", "orgs.add_organization")
_CREATION = _needs("New organization", "orgs.add_organization")
_PEOPLE = _needs("Changes of members and projects", "orgs.change_member")
_ACCOUNTS = _needs("Staff and roles", "orgs.view_user", "orgs.change_user")
_LABELS = _needs("White labels", _READ)
_LABELS_CHANGED = _needs("Changes of white labels", "orgs.change_whitelabel")
_JOBS = _needs("Background jobs", "orgs.view_apikey", "orgs.change_apikey")
_PRICES = _needs("Prices", "metrics.view_rate", "metrics.add_rate")
_PRICES_ADDED = _needs("New prices, ends of prices, re-rates", "metrics.add_rate")
_NOTES = _needs("Notes", _READ, "orgs.add_note")
_TARGETS = _needs("Integrations", _READ, _PUSH)
_MONEY = _needs("Costs, invoices, syncs, discrepancies", _BILLING)
_MONEY_WRITTEN = _needs("Billing, limits, alerts, corrections", _BILLING, _PAY)
_ACTIONS = _needs("Forms of actions of Stripe", _PAY)
_EMAIL_TEXTS = _needs("Previews of alert emails", _PAY)
_HOOKS = _needs("Webhooks", _BILLING, _PUSH)
_CUSTOMER = _needs(
    "Links to the customer page",
    "billing.view_customerlink",
    "billing.add_customerlink",
)
_VIEW_AS = _needs("View as an account or member", "orgs.add_viewas")
_KEYS = _needs("API keys", "orgs.view_apikey", "orgs.add_apikey")
_KEYS_ADDED = _needs("Rotation of API keys", "orgs.add_apikey")
_KEYS_CHANGED = _needs("Changes of API keys", "orgs.change_apikey")
_SECURITY = _needs("Security log", "orgs.view_securityevent")

_BY_REQUIREMENT: dict[Requirement, tuple[str, ...]] = {
    _START: ("billing:fleet", "billing:search"),
    _DIRECTORY: (
        *("billing:organization_list", "billing:save_list_view"),
        *("billing:delete_list_view", "billing:organization_csv"),
        *("billing:fleet_history_csv", "billing:history_csv"),
        *("metrics:usage", "orgs:people", "orgs:history", "orgs:fleet_history"),
        "orgs:fleet_notes",
        "roles",
    ),
    _FILES: (
        *("billing:fleet_table", "billing:organization_table", "billing:exports"),
        *("billing:export", "billing:export_file", "billing:cancel_export"),
        *("billing:delete_export", "billing:export_again"),
    ),
    _PEOPLE: (
        *("orgs:add_person", "orgs:add_members", "orgs:edit_person"),
        *("orgs:remove_person", "orgs:restore_person"),
    ),
    _ACCOUNTS: ("orgs:staff", "orgs:invite_staff", "orgs:edit_staff"),
    _LABELS: ("orgs:white_labels",),
    _LABELS_CHANGED: (
        *("orgs:new_white_label", "billing:edit_white_label", "orgs:edit_branding"),
    ),
    _JOBS: ("billing:background_jobs", "billing:retry_background_jobs"),
    _PRICES: ("metrics:prices", "metrics:prices_csv"),
    _PRICES_ADDED: (
        *("metrics:new_price", "metrics:import_prices", "metrics:public_prices"),
        *("metrics:end_price", "metrics:undo_price"),
        *("metrics:rerates", "metrics:rerate"),
    ),
    _NOTES: (
        *("orgs:notes", "orgs:edit_note", "orgs:pin_note"),
        *("orgs:delete_note", "orgs:restore_note"),
    ),
    _ACCESS: (
        *("billing:access", "billing:details"),
        *("billing:edit_details", "billing:undo_details"),
    ),
    _SETUP: ("billing:setup", "billing:first_usage"),
    _CREATION: ("billing:new_organization", "billing:add_organizations"),
    _TARGETS: (
        *("billing:integrations", "billing:edit_backfill", "billing:edit_integration"),
    ),
    _MONEY: (
        *("billing:overview", "billing:cost_lines", "billing:day_events"),
        *("billing:needs_action", "billing:needs_action_csv", "billing:stripe_sync"),
        *("billing:discrepancies", "billing:discrepancy_row", "billing:webhook_events"),
        *("billing:failed_jobs", "billing:billing", "billing:action"),
        "billing:fleet_alerts",
    ),
    _MONEY_WRITTEN: (
        *("billing:costs", "billing:unpriced", "billing:end_reason_snooze"),
        *("billing:snooze_reason", "billing:charge_decision", "billing:start_sync"),
        *("billing:resolve_discrepancy", "billing:resolve_all_discrepancies"),
        *("billing:resend_event", "billing:ignore_event", "billing:retry_failed_job"),
        *("billing:cancel_action", "billing:retry_action", "billing:alerts"),
        *("billing:edit_limits", "billing:edit_recipients", "billing:snooze_alerts"),
        "billing:edit_percents",
        *("billing:resend_alert", "billing:credits", "billing:void"),
        *("billing:periods", "billing:write_off"),
    ),
    _ACTIONS: ("billing:action_form", "billing:subscription_action_form"),
    _EMAIL_TEXTS: (
        *("billing:alert_emails", "billing:alert_email", "billing:alert_email_html"),
    ),
    _HOOKS: (
        *("billing:webhook_endpoints", "billing:webhook_endpoint"),
        *("billing:webhook_delivery", "billing:resend_delivery"),
        "billing:organization_webhooks",
    ),
    _CUSTOMER: ("billing:customer_links", "billing:revoke_customer_link"),
    _VIEW_AS: (
        *("orgs:view_as", "orgs:view_as_account", "orgs:stop_view_as"),
        "billing:customer_preview",
    ),
    _KEYS: ("orgs:api_keys",),
    _KEYS_ADDED: ("orgs:rotate_key",),
    _KEYS_CHANGED: ("orgs:edit_key", "orgs:revoke_key"),
    _SECURITY: ("orgs:security_log", "orgs:security_log_csv", "orgs:seals"),
    SIGNED_IN: (
        *("orgs:sessions", "orgs:end_session", "orgs:end_sessions"),
        # Of another person: the views answer 404 to all but superusers.
        *("orgs:sessions_of", "orgs:end_session_of", "orgs:end_sessions_of"),
        "components",
    ),
}
ROUTES = {
    name: requirement
    for requirement, names in _BY_REQUIREMENT.items()
    for name in names
}


def requirement_of(name: str, callback: Callable[..., Any]) -> Requirement | None:
    """Return what a route requires; None for one that is not declared.

    Routes of packages, such as those of the login, are about one's own account.
    """
    if not getattr(callback, "login_required", True):
        return PUBLIC
    if name in ROUTES:
        return ROUTES[name]
    module = getattr(callback, "view_class", callback).__module__
    return SIGNED_IN if module.startswith(_PACKAGES) else None


class RoutePermissionMiddleware:
    """Refuses pages that a person's roles do not open, with a 403.

    Anonymous requests pass: another middleware leads them to the login. The API and
    Django admin have declarations for each operation and model.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> None:
        """Raise `PermissionDenied` for a page that the person may not open."""
        match = request.resolver_match
        if match is None or request.path.startswith(OPEN_PREFIXES):
            return
        if "admin" in match.namespaces or not isinstance(request.user, User):
            return
        requirement = requirement_of(match.view_name, view_func)
        if requirement is None or not requirement.allows(
            request.user, request.method or "GET"
        ):
            raise PermissionDenied
