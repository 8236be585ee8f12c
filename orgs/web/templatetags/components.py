"""The small parts that lists repeat by the hundred, written without the engine.

An included template costs far more than its text. Everything is escaped here.
"""

from collections.abc import Iterable
from html import escape
from typing import Protocol

from django import template
from django.utils.safestring import SafeString

register = template.Library()


class Labelled(Protocol):
    @property
    def label(self) -> str: ...
    @property
    def tone(self) -> str: ...


@register.simple_tag
def badge(label: str, tone: str = "") -> SafeString:
    """`components/badge.html`."""
    kind = f" badge--{escape(tone)}" if tone else ""
    return SafeString(f'<span class="badge{kind}">{escape(str(label))}</span>')


@register.simple_tag
def badges(found: Iterable[Labelled]) -> SafeString:
    """One after the other, without a gap."""
    return SafeString("".join(badge(one.label, one.tone) for one in found))


@register.simple_tag
def sparkline(points: str, label: str) -> SafeString:
    """`components/sparkline.html`."""
    line = escape(points)
    return SafeString(
        '<svg class="sparkline" viewBox="0 0 100 100" preserveAspectRatio="none"'
        f' role="img" aria-label="{escape(label)}">'
        f'<polygon class="sparkline__area" points="0,100 {line} 100,100"/>'
        f'<polyline class="sparkline__line" points="{line}"/></svg>'
    )
