"""Template tags for small components that lists repeat by the hundred.

They write HTML directly: an included template costs far more. All text is escaped here.
"""

from collections.abc import Iterable
from html import escape
from typing import Protocol

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

register = template.Library()


class BadgeLike(Protocol):
    """Anything that has the label and the tone of a badge."""

    @property
    def label(self) -> str: ...
    @property
    def tone(self) -> str: ...


@register.simple_tag
def badge(label: str, tone: str = "") -> SafeString:
    """Render a badge, as `components/badge.html` does."""
    modifier = f" badge--{escape(tone)}" if tone else ""
    return SafeString(
        f'<span class="badge{modifier}">{conditional_escape(label)}</span>'
    )


@register.simple_tag
def badges(items: Iterable[BadgeLike]) -> SafeString:
    """Render several badges, without white space; `html` of one replaces its label."""
    texts = ((getattr(item, "html", "") or item.label, item.tone) for item in items)
    return SafeString("".join(badge(*text) for text in texts))


@register.simple_tag
def sparkline(points: str, label: str) -> SafeString:
    """Render a sparkline, as `components/sparkline.html` does."""
    line = escape(points)
    return SafeString(
        '<svg class="sparkline" viewBox="0 0 100 100" preserveAspectRatio="none"'
        f' role="img" aria-label="{escape(label)}">'
        f'<polygon class="sparkline__area" points="0,100 {line} 100,100"/>'
        f'<polyline class="sparkline__line" points="{line}"/></svg>'
    )
