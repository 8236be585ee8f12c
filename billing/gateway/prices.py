from datetime import datetime

from billing.gateway import calls
from billing.gateway.shapes import Page, Price


def get_price(id_: str) -> Price:
    answer = calls.get(calls.place("prices", id_), expand=["product"])
    return Price.read(answer.named("price"))


def list_prices(
    *,
    after: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    product_id: str = "",
) -> Page[Price]:
    """All of them, also those that are no longer sold."""
    return calls.page(
        "/v1/prices",
        Price.read,
        product=product_id or None,
        expand=["data.product"],
        **calls.window(after=after, since=since, until=until),
    )
