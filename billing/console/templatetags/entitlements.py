"""Template tag of the meters of an organization's entitlements."""

from collections.abc import Callable
from typing import TypedDict

from django import template

from metrics.queries.daily_metrics import EntitlementUsage, MeteredEntitlement
from orgs.web.templatetags.display import byte_size, count, duration

register = template.Library()

_WARN, _FULL = 0.8, 1.0  # fractions of the entitlement
# Label and format by the slug of an entitlement.
_MEASURES: dict[str, tuple[str, Callable[[int | None], str]]] = {
    "compute_seconds": ("Compute, CPU + GPU", duration),
    "gpu_seconds": ("GPU", duration),
    "storage_bytes": ("Storage", byte_size),
    "projects": ("Projects", count),
    "users": ("Users", count),
}


class MeterCell(TypedDict):
    """The variables of a meter, as its template takes them."""

    label: str
    used: str
    limit: str
    percent: float | None
    tone: str
    note: str


@register.simple_tag
def entitlement_meters(use: EntitlementUsage) -> list[MeterCell]:
    """Return a meter for each entitlement."""
    return [_meter(measured) for measured in use.all]


def _meter(measured: MeteredEntitlement) -> MeterCell:
    label, write = _MEASURES[measured.slug]
    fraction = measured.fraction
    tone, note = "", ""
    if fraction is not None and fraction >= _FULL:
        tone, note = "bad", "over the limit" if fraction > _FULL else "at the limit"
    elif fraction is not None and fraction >= _WARN:
        tone = "warn"
    return {
        "label": label,
        "used": write(measured.used),
        "limit": "" if measured.limit is None else write(measured.limit),
        "percent": None if fraction is None else round(fraction * 100, 1),
        "tone": tone,
        "note": note,
    }
