"""Template tags of the frame of every page, rendered once for equal content.

The results are cached in the process: they depend on permissions, not on the user.
"""

from collections.abc import Iterable
from functools import lru_cache

from django import template
from django.contrib.auth.context_processors import PermWrapper
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString

from orgs.models import User

register = template.Library()
_TOKEN = "csrf-token-placeholder"  # noqa: S105  replaced in each response


@register.simple_tag
def navigation(nav: Iterable[object], nav_key: str) -> SafeString:
    """Render `components/nav.html`; `nav` is a sequence of hashable items."""
    return _navigation(tuple(nav), nav_key)


@lru_cache(maxsize=100)
def _navigation(nav: tuple[object, ...], nav_key: str) -> SafeString:
    context = {"nav": nav, "nav_key": nav_key}
    return SafeString(render_to_string("components/nav.html", context))


_PAY = "billing.change_spendinglimit"
# Key, label, URL name, and the permission that the page requires.
_SETTINGS = (
    ("white_labels", "White labels", "orgs:white_labels", "orgs.view_organization"),
    ("prices", "Prices", "metrics:prices", "metrics.view_rate"),
    ("staff", "Staff and roles", "orgs:staff", "orgs.view_user"),
    ("api_keys", "API keys", "orgs:api_keys", "orgs.view_apikey"),
    (
        "emails",
        "Email templates",
        "billing:alert_emails",
        "billing.change_spendinglimit",
    ),
    ("jobs", "Background jobs", "billing:background_jobs", "orgs.view_apikey"),
    ("security", "Security log", "orgs:security_log", "orgs.view_securityevent"),
    ("roles", "Roles", "roles", "orgs.view_organization"),
    ("setup", "Setup guide", "billing:setup", "orgs.add_organization"),
)


@register.simple_tag
def settings_tabs(perms: PermWrapper, current: str) -> list[dict[str, object]]:
    """Return the tabs of the settings that the person may open."""
    hidden = _hidden_settings(perms.user)
    return [
        {"label": label, "url": reverse(name), "current": key == current}
        for key, label, name, permission in _SETTINGS
        if permission in perms and key not in hidden
    ]


def _hidden_settings(user: User) -> set[str]:
    """Return the tabs that rules beside permissions refuse.

    Jobs are those of all white labels; previews of emails are for staff.
    """
    refused = {"jobs": bool(user.white_label_id), "emails": not user.is_staff}
    return {key for key, is_refused in refused.items() if is_refused}


@register.simple_tag
def account_items(csrf_token: object) -> SafeString:
    """Render `components/account_items.html` with the CSRF token of this page."""
    return SafeString(_account_items().replace(_TOKEN, escape(str(csrf_token))))


@lru_cache(maxsize=1)
def _account_items() -> str:
    return render_to_string("components/account_items.html", {"csrf_token": _TOKEN})
