"""Rows and results of one request, so that its permission checks share one look-up."""

from collections.abc import Callable
from typing import TypeVar, cast

from django.http import HttpRequest

from orgs.models import Organization

Value = TypeVar("Value")


def cached(request: HttpRequest, key: object, compute: Callable[[], Value]) -> Value:
    """Return what `compute` returned for this key in this request, calling it once."""
    values = request.__dict__.setdefault("access_cache", {})
    if key not in values:
        values[key] = compute()
    return cast("Value", values[key])


def cache_organization(request: HttpRequest, organization: Organization) -> None:
    """Keep a row that came with the key; whether the key reaches it is not checked."""
    values = request.__dict__.setdefault("access_cache", {})
    values["row", str(organization.pk)] = organization


def cached_organization(request: HttpRequest, id_: int | str) -> Organization | None:
    """Return the row that came with the key, before any check of permissions."""
    organization = request.__dict__.get("access_cache", {}).get(("row", str(id_)))
    return cast("Organization | None", organization)
