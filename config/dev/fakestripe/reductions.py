"""Coupons, discounts and tax rates, and what they do to the lines of an invoice."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from config.dev.fakestripe import errors, params, periods, shapes
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.store import Json

_COUPON: params.Spec = {
    "amount_off": params.amount,
    "currency": params.currency,
    "duration": params.choice("forever"),
    "id": params.text,
    "metadata": params.metadata,
    "name": params.text,
    "percent_off": params.decimal,
}
_RATE: params.Spec = {
    "description": params.text,
    "display_name": params.text,
    "inclusive": params.boolean,
    "metadata": params.metadata,
    "percentage": params.decimal,
}
# Of a subscription.
DISCOUNTS = params.many(params.fields({"coupon": params.text}, required=["coupon"]))
TAX_RATES = params.many(params.text)


def create_coupon(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _COUPON)
    if ("percent_off" in given) == ("amount_off" in given):
        raise errors.refused("Pass one of percent_off and amount_off.")
    if "percent_off" in given:
        given["percent_off"] = float(given["percent_off"])
    given["metadata"] = params.merged({}, given.get("metadata", {}))
    return account.add(shapes.coupon(account.now(), **given), "coupon.created")


def retrieve_coupon(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("coupon", call.ids[0])


def delete_coupon(account: Account, call: Call) -> Json:
    """Delete a coupon; discounts that were made of it stay, as on Stripe."""
    stored = account.get("coupon", call.ids[0])
    return account.add(stored | {"deleted": True}, "coupon.deleted")


def create_rate(account: Account, call: Call) -> Json:
    required = ["display_name", "inclusive", "percentage"]
    given = params.read(call.tree, _RATE, required=required)
    given["percentage"] = float(given["percentage"])
    given["metadata"] = params.merged({}, given.get("metadata", {}))
    return account.add(shapes.tax_rate(account.now(), **given), "tax_rate.created")


def retrieve_rate(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("tax_rate", call.ids[0])


def prepare(account: Account, given: dict[str, Any], *, subscription: str) -> None:
    """Replace the coupons and tax rates that a call names by what is stored.

    The discounts of the subscription get new ids; `_discounts` is what they take off.
    """
    if "discounts" in given:
        coupons = [
            account.get("coupon", one["coupon"], param="discounts[0][coupon]")
            for one in given["discounts"] or []
        ]
        made = [_discount(account, coupon, subscription) for coupon in coupons]
        given["discounts"] = [one["id"] for one in made]
        given["_discounts"] = [
            {"id": one["id"], **{k: coupon[k] for k in ("percent_off", "amount_off")}}
            for one, coupon in zip(made, coupons, strict=True)
        ]
    if "default_tax_rates" in given:
        given["default_tax_rates"] = [
            account.get("tax_rate", rate, param="default_tax_rates")
            for rate in given["default_tax_rates"] or []
        ]


def _discount(account: Account, coupon: Json, subscription: str) -> Json:
    source = {"coupon": coupon["id"], "type": "coupon"}
    discount = shapes.discount(account.now(), source=source, subscription=subscription)
    return account.add(discount, "customer.discount.created")


def reduce(lines: Sequence[Json], invoice: Json) -> None:
    """Write the discounts and taxes of each line, from those of the invoice."""
    for line in lines:
        line |= {"discount_amounts": [], "taxes": []}
    for discount in invoice.get("_discounts", ()):
        _take_off(lines, discount)
    for rate in invoice["default_tax_rates"]:
        for line in lines:
            line["taxes"].append(_tax(line, rate))


def _take_off(lines: Sequence[Json], discount: Json) -> None:
    """Take a percentage off each line, or an amount off all of them in proportion."""
    open_lines = [line for line in lines if line["discountable"] and net(line) > 0]
    whole = sum(map(net, open_lines))
    amount = min(discount["amount_off"] or 0, whole)
    share = Fraction(str(discount["percent_off"] or 0)) / 100
    left = amount
    for number, line in enumerate(open_lines, start=1):
        is_last = number == len(open_lines)
        part = periods.rounded(net(line) * share)
        if amount:
            even = periods.rounded(Fraction(amount * net(line), whole))
            part = left if is_last else even
            left -= part
        line["discount_amounts"].append({"amount": part, "discount": discount["id"]})


def net(line: Json) -> int:
    """Return the amount of a line after its discounts."""
    discount = sum(one["amount"] for one in line["discount_amounts"])
    return int(line["amount"]) - int(discount)


def _tax(line: Json, rate: Json) -> Json:
    part = Fraction(str(rate["percentage"])) / 100
    base = Fraction(net(line))
    if rate["inclusive"]:
        base = base / (1 + part)
    return {
        "amount": periods.rounded(base * part),
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "standard_rated",
        "taxable_amount": periods.rounded(base),
        "type": "tax_rate_details",
    }


def sums(lines: Sequence[Json]) -> Json:
    """Return the sums of an invoice: of discounts, taxes, and what is left."""
    subtotal = sum(line["amount"] for line in lines)
    discounts = _added(lines, "discount_amounts", lambda one: one["discount"])
    taxes = _added(
        lines,
        "taxes",
        lambda one: one["tax_rate_details"]["tax_rate"],
        also="taxable_amount",
    )
    after = subtotal - sum(one["amount"] for one in discounts)
    on_top = [one for one in taxes if one["tax_behavior"] == "exclusive"]
    within = sum(one["amount"] for one in taxes) - sum(one["amount"] for one in on_top)
    return {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - within,
        "total": after + sum(one["amount"] for one in on_top),
        "total_discount_amounts": discounts,
        "total_excluding_tax": after - within,
        "total_taxes": taxes,
    }


def _added(
    lines: Sequence[Json], name: str, key: Any, *, also: str = "amount"
) -> list[Json]:
    """Return the amounts of all lines, added up by discount or tax rate."""
    added: dict[str, Json] = {}
    for one in (part for line in lines for part in line[name]):
        whole = added.setdefault(
            key(one), {**one, **dict.fromkeys({"amount", also}, 0)}
        )
        for field in {"amount", also}:
            whole[field] += one[field]
    return list(added.values())
