"""Prices of the Stripe account, each with its product."""

from datetime import datetime

from billing.gateway import calls
from billing.gateway.objects import Page, Price


def get_price(id_: str) -> Price:
    """Return a price with its product."""
    with calls.object_of(id_):
        answer = calls.get(calls.object_path("prices", id_), expand=["product"])
        return Price.read(answer.as_kind("price"))


def list_prices(
    *,
    after: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    product_id: str = "",
) -> Page[Price]:
    """Return a page of prices, newest first, with those that are no longer sold."""
    return calls.page(
        "/v1/prices",
        Price.read,
        product=product_id or None,
        expand=["data.product"],
        **calls.list_parameters(after=after, since=since, until=until),
    )
