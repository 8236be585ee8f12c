"""Template filters of the use of entitlements, in the units of their fields."""

from django import template

from metrics.queries.daily_metrics import MeteredEntitlement
from orgs.web.quantities import BytesField, CountField, HoursField

register = template.Library()
_FIELDS = {
    "compute_seconds": ("Compute", HoursField),
    "gpu_seconds": ("GPU", HoursField),
    "storage_bytes": ("Storage", BytesField),
    "projects": ("Projects", CountField),
    "users": ("Members", CountField),
}


@register.filter
def entitlement_label(slug: str) -> str:
    """Return what an entitlement is called."""
    return _FIELDS[slug][0]


@register.filter
def entitlement_use(entitlement: MeteredEntitlement) -> str:
    """Return use, limit, and their ratio: `12 h of 100 h used (12%)`."""
    field = _FIELDS[entitlement.slug][1]()
    used = field.format(entitlement.used)
    if entitlement.limit is None or entitlement.fraction is None:
        return f"{used} used, no limit"
    limit = field.format(entitlement.limit)
    return f"{used} of {limit} used ({entitlement.fraction:.0%})"
