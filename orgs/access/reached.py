"""What a call reached already: the gate and the door ask, one of them pays."""

from collections.abc import Callable
from typing import TypeVar, cast

from django.http import HttpRequest

from orgs.models import Organization

Reached = TypeVar("Reached")


def once(request: HttpRequest, key: object, reach: Callable[[], Reached]) -> Reached:
    reached = request.__dict__.setdefault("reached", {})
    if key not in reached:
        reached[key] = reach()
    return cast("Reached", reached[key])


def remember(request: HttpRequest, organization: Organization) -> None:
    """A row that came with the key; whether the key reaches it is not yet said."""
    request.__dict__.setdefault("reached", {})["row", str(organization.pk)] = (
        organization
    )


def remembered(request: HttpRequest, id_: int | str) -> Organization | None:
    found = request.__dict__.get("reached", {}).get(("row", str(id_)))
    return cast("Organization | None", found)
