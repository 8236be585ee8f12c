"""Template tag of the meters of an organization's entitlements."""

from typing import TypedDict

from django import template

from metrics.queries.daily_metrics import EntitlementUsage, MeteredEntitlement
from orgs.models import Organization
from orgs.web.templatetags.display import exact

register = template.Library()

_WARN, _FULL = 0.8, 1.0  # fractions of the entitlement
# Label and unit by the slug of an entitlement.
_MEASURES = {
    "compute_seconds": ("Compute, CPU + GPU", "seconds"),
    "gpu_seconds": ("GPU", "seconds"),
    "storage_bytes": ("Storage", "bytes"),
    "projects": ("Projects", "count"),
    "users": ("Users", "count"),
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
def entitlement_meters(
    use: EntitlementUsage, organization: Organization
) -> list[MeterCell]:
    """Return a meter for each entitlement."""
    return [_meter(measured, organization.pk) for measured in use.all]


def _meter(measured: MeteredEntitlement, id_: int) -> MeterCell:
    label, unit = _MEASURES[measured.slug]
    number = f"entitlement.{measured.slug}"
    fraction = measured.fraction
    tone, note = "", ""
    if fraction is not None and fraction >= _FULL:
        tone, note = "bad", "over the limit" if fraction > _FULL else "at the limit"
    elif fraction is not None and fraction >= _WARN:
        tone = "warn"
    return {
        "label": label,
        "used": exact(measured.used, unit, number=f"{number}.used", of=id_),
        "limit": ""
        if measured.limit is None
        else exact(measured.limit, unit, number=f"{number}.limit", of=id_),
        "percent": None if fraction is None else round(fraction * 100, 1),
        "tone": tone,
        "note": note,
    }
