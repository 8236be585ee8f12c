"""A cache for one request, so that its permission checks share one look-up."""

from collections.abc import Callable
from typing import TypeVar, cast

from django.http import HttpRequest

from orgs.models import Organization

Value = TypeVar("Value")


def cached(request: HttpRequest, key: object, compute: Callable[[], Value]) -> Value:
    """Return the value of `compute`, which is called once per key and request."""
    values = request.__dict__.setdefault("access_cache", {})
    if key not in values:
        values[key] = compute()
    return cast("Value", values[key])


def cache_organization(request: HttpRequest, organization: Organization) -> None:
    """Cache the organization that was read with the key; no permission is checked."""
    values = request.__dict__.setdefault("access_cache", {})
    values["row", str(organization.pk)] = organization


def cached_organization(request: HttpRequest, id_: int | str) -> Organization | None:
    """Return the organization that was read with the key; check its permission first.

    None if it was not read.
    """
    organization = request.__dict__.get("access_cache", {}).get(("row", str(id_)))
    return cast("Organization | None", organization)
