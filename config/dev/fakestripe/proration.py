"""Proration of a change in the middle of a period.

A credit for the rest of the old price and a charge for the rest of the new one, each an
invoice item that is pending until the next invoice.
"""

from dataclasses import dataclass

from config.dev.fakestripe import drafts, periods, shapes
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.store import Json


@dataclass(frozen=True)
class Change:
    """An item before and after; None where there was, or is, no such item."""

    before: Json | None
    after: Json | None

    @property
    def matters(self) -> bool:
        return _sold(self.before) != _sold(self.after)


def _sold(item: Json | None) -> tuple[str, int] | None:
    return (item["price"], item.get("quantity") or 0) if item else None


def prorate(
    account: Account,
    subscription: Json,
    changes: list[Change],
    date: int,
    *,
    debit: bool,
) -> list[Json]:
    """Invoice items from `date` to the period's end; credits alone if not `debit`."""
    made: list[Json] = []
    for change in changes:
        if change.before and change.matters:
            made.append(_make(account, subscription, change.before, date, sign=-1))
        if change.after and change.matters and debit:
            made.append(_make(account, subscription, change.after, date, sign=1))
    return made


def _make(
    account: Account, subscription: Json, item: Json, date: int, *, sign: int
) -> Json:
    start, end = item["current_period_start"], item["current_period_end"]
    date = min(max(date, start), end)
    price = account.get("price", item["price"])
    product = account.get("product", price["product"])
    whole = drafts.amount_of(price, item.get("quantity"))
    words = "Remaining" if sign > 0 else "Unused"
    made = shapes.invoiceitem(
        account.now(),
        amount=sign * periods.share(whole, end - date, end - start),
        currency=subscription["currency"],
        customer=subscription["customer"],
        description=f"{words} time on {product['name']} after {periods.day_of(date)}",
        discountable=False,
        metadata=subscription["metadata"],
        parent={
            "subscription_details": {
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_details",
        },
        period={"start": date, "end": end},
        pricing=shapes.priced(price),
        proration=True,
        quantity=item.get("quantity") or 0,
    )
    return account.add(made, "invoiceitem.created")
