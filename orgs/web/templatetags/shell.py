"""What surrounds every page; the same for all who may see the same, so kept."""

from collections.abc import Iterable
from functools import lru_cache

from django import template
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString

register = template.Library()
_TOKEN = "token-of-this-page"  # noqa: S105  its place, not a secret


@register.simple_tag
def navigation(nav: Iterable[object], nav_key: str) -> SafeString:
    """`components/nav.html`; `nav` is a sequence of items that can be compared."""
    return _navigation(tuple(nav), nav_key)


@lru_cache(maxsize=100)
def _navigation(nav: tuple[object, ...], nav_key: str) -> SafeString:
    shown = {"nav": nav, "nav_key": nav_key}
    return SafeString(render_to_string("components/nav.html", shown))


@register.simple_tag
def account_items(csrf_token: object) -> SafeString:
    """`components/account_items.html`, with the token that this page was given."""
    return SafeString(_account_items().replace(_TOKEN, escape(str(csrf_token))))


@lru_cache(maxsize=1)
def _account_items() -> str:
    return render_to_string("components/account_items.html", {"csrf_token": _TOKEN})
