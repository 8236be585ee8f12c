"""`expand[]`: objects in place of their ids, a level at a time for a whole page."""

from collections.abc import Callable, Sequence
from typing import Any

from config.dev.fakestripe import errors
from config.dev.fakestripe.store import Json

_DEEPEST = 4
# Which kind an id of this name is, in the objects that may have it expanded.
_KINDS = {
    "charge": "charge",
    "customer": "customer",
    "default_price": "price",
    "invoice": "invoice",
    "latest_invoice": "invoice",
    "price": "price",
    "product": "product",
    "subscription": "subscription",
}

# Expandable on Stripe, and always empty here.
_EMPTY = {
    "application",
    "default_payment_method",
    "default_source",
    "default_tax_rates",
    "discounts",
    "on_behalf_of",
    "pending_setup_intent",
    "schedule",
    "tax_code",
    "test_clock",
    "payment_intent",
    "latest_revision",
}
_INSIDE = {"items", "lines", "payments", "data", "pricing", "price_details", "parent"}
_INSIDE |= {"subscription_details"}

Fetch = Callable[[str, Sequence[str]], dict[str, Json]]


def expand(answer: Json, paths: Sequence[str], fetch: Fetch) -> None:
    """Change the answer in place; a path that leads nowhere is refused.

    `fetch(kind, ids)` gives shown objects by id, all of a level at once.
    """
    for path in paths:
        parts = path.split(".")
        if len(parts) > _DEEPEST + (parts[0] == "data"):
            raise errors.invalid("expand", "You cannot expand more than 4 levels")
        holders = [answer]
        for number, name in enumerate(parts):
            holders = _step(holders, name, path, fetch, last=number == len(parts) - 1)


def _step(
    holders: list[Json], name: str, path: str, fetch: Fetch, *, last: bool
) -> list[Json]:
    """Return the objects one level down, with ids replaced by their objects."""
    having = [holder for holder in holders if name in holder]
    if holders and not having:
        raise _refused(path)
    if name in _KINDS:
        _put_objects(having, name, _KINDS[name], fetch)
    elif name not in _INSIDE | _EMPTY or (last and name == "data"):
        raise _refused(path)
    return [inner for holder in having for inner in _objects(holder[name])]


def _put_objects(holders: list[Json], name: str, kind: str, fetch: Fetch) -> None:
    ids = {holder[name] for holder in holders if isinstance(holder[name], str)}
    objects = fetch(kind, sorted(ids)) if ids else {}
    for holder in holders:
        if isinstance(holder[name], str):
            holder[name] = objects.get(holder[name], holder[name])


def _objects(value: Any) -> list[Json]:
    if isinstance(value, list):
        return [one for one in value if isinstance(one, dict)]
    return [value] if isinstance(value, dict) else []


def _refused(path: str) -> errors.ApiError:
    return errors.invalid("expand", f"This property cannot be expanded ({path}).")
