"""Template tags of the frame of every page, rendered once for equal content.

The results are cached in the process: they depend on permissions, not on the user.
"""

from collections.abc import Iterable
from functools import lru_cache

from django import template
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString

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


@register.simple_tag
def account_items(csrf_token: object) -> SafeString:
    """Render `components/account_items.html` with the CSRF token of this page."""
    return SafeString(_account_items().replace(_TOKEN, escape(str(csrf_token))))


@lru_cache(maxsize=1)
def _account_items() -> str:
    return render_to_string("components/account_items.html", {"csrf_token": _TOKEN})
