"""What every page may know without its view saying so."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from config.route_access import ROUTES
from orgs.access.second_factor import is_second_factor_missing_in
from orgs.access.view_as import view_of
from orgs.models import User
from orgs.web.setup import opened_guide


@dataclass(frozen=True)
class NavItem:
    """One line of the main navigation; a page is current by its `nav_key`."""

    label: str
    url: str
    key: str
    icon: str


# Label, URL name, key, icon (a symbol of components/icons.html), and whether it is for
# staff only. `config.route_access` knows who may open each page.
_NAV: tuple[tuple[str, str, str, str, bool], ...] = (
    ("Overview", "billing:fleet", "fleet", "chart", False),
    ("Needs action", "billing:needs_action", "needs_action", "check", False),
    ("Organizations", "billing:organization_list", "organizations", "building", False),
    ("Alerts", "billing:fleet_alerts", "alerts", "alert", False),
    ("Stripe sync", "billing:stripe_sync", "stripe", "sync", False),
    ("History", "orgs:fleet_history", "history", "clock", False),
    ("Exports", "billing:exports", "exports", "down", False),
    ("Webhooks", "billing:webhook_endpoints", "webhooks", "sync", False),
    ("API reference", "api_docs", "api_docs", "code", True),
    ("Settings", "orgs:white_labels", "settings", "sliders", False),
    ("Admin", "admin:index", "admin", "blocks", True),
)


def page(request: HttpRequest) -> dict[str, Any]:
    """Everything is lazy: an error page must render when the database does not."""
    return {
        "csp_nonce": getattr(request, "csp_nonce", None),
        "nav": SimpleLazyObject(lambda: _nav(request)),
        "plotly_src": SimpleLazyObject(lambda: static("plotly/plotly.min.js")),
        "view_as": view_of(request),
        "site_name": settings.SITE_NAME,
        "open_guide": SimpleLazyObject(lambda: opened_guide(request)),
        "must_set_up_two_factor": SimpleLazyObject(lambda: _has_to_set_up(request)),
        "sso_name": settings.SSO.name if settings.SSO else "",
        "is_sso_only": settings.SSO_ONLY,
        "has_accounts": SimpleLazyObject(User.objects.exists),
        "has_break_glass": bool(settings.SSO_BREAK_GLASS),
    }


def _has_to_set_up(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return isinstance(user, User) and is_second_factor_missing_in(request, user)


def _nav(request: HttpRequest) -> list[NavItem]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return []
    return [
        NavItem(label, url, key, icon)
        for label, name, key, icon, is_for_staff in _NAV
        if _may_see(user, name, is_for_staff) and (url := _url(name))
    ]


def _may_see(user: Any, name: str, is_for_staff: bool) -> bool:
    """Return whether a page is of use to a user: others would get a 403."""
    requirement = ROUTES.get(name)
    if requirement is not None and not requirement.allows(user, "GET"):
        return False
    return user.is_staff or not is_for_staff


def _url(name: str) -> str:
    """Return the address of a page, or nothing if there is no such page."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
