"""Template filters of the use of entitlements, in the units of their fields."""

from collections.abc import Callable

from django import template

from metrics.queries.daily_metrics import MeteredEntitlement
from orgs.web.templatetags.display import byte_size, count, duration

register = template.Library()
_FORMATS: dict[str, tuple[str, Callable[[int], str]]] = {
    "compute_seconds": ("Compute", duration),
    "gpu_seconds": ("GPU", duration),
    "storage_bytes": ("Storage", byte_size),
    "projects": ("Projects", count),
    "users": ("Members", count),
}


@register.filter
def entitlement_label(slug: str) -> str:
    """Return what an entitlement is called."""
    return _FORMATS[slug][0]


@register.filter
def entitlement_use(entitlement: MeteredEntitlement) -> str:
    """Return use, limit, and their ratio: `12 h of 100 h used (12%)`."""
    _, write = _FORMATS[entitlement.slug]
    used = write(entitlement.used)
    if entitlement.limit is None or entitlement.fraction is None:
        return f"{used} used, no limit"
    limit = write(entitlement.limit)
    return f"{used} of {limit} used ({entitlement.fraction:.0%})"
