"""The objects of the demo's fake Stripe: made to match our rows, then changed.

1. customers, prices, subscriptions and invoices as our rows say, and their charges
2. a sync of each white label, as if it had been last night's
3. changes made in Stripe alone: a tier, seats, a payment, an unknown price and customer
4. a dry run of the sync: there are discrepancies to resolve

Done once for a database; killed in between, it is done again to the same effect.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any
from urllib.request import Request, urlopen

from django.conf import settings
from django.utils import timezone

from billing import gateway
from billing.models import BillingAccount, Charge, Invoice, Subscription
from billing.money import compute_bill, smallest_charge
from billing.stripe.commands.sync import execution, runs
from config.dev.demo.fleet import WHITE_LABELS, State, WhiteLabelPlan, plans
from config.dev.demo.subscriptions import (
    CURRENCIES,
    MONTHS_OF_A_YEAR,
    SEAT,
    TIERS,
    price_id,
)
from config.dev.servers.stripe import KEY_START
from metrics.queries.products import product_costs
from orgs.models import WhiteLabel

Json = dict[str, Any]
_MARK = "prod_demo_filled"
_STRAY = "cus_demo_stray"
_LATENCY = 0.12  # seconds a call, as Stripe's own
_HOUR = 3600
_REFUNDED = 2_500  # of a payment, in minor units


def is_fake() -> bool:
    """Return whether the Stripe that is set up is the fake that `make up` started."""
    base: str = settings.STRIPE_API_BASE
    is_fake = settings.STRIPE_SECRET_KEY.startswith(KEY_START)
    return is_fake and base.startswith("http://127.0.0.1:")


def fill() -> bool:
    """Fill the fake Stripe once per database; return whether it was filled now."""
    label = WhiteLabel.objects.filter(slug=WHITE_LABELS[0].slug).first()
    if label is None or not is_fake():
        return False
    mark = {"object": "product", "id": _MARK, "active": False, "name": "Demo"}
    mark["metadata"] = {"database": label.created_at.isoformat()}
    is_new = mark["metadata"] not in [one["metadata"] for one in _products()]
    if is_new:
        _fill()
        _load([mark])
    _control("script", latency=_LATENCY)
    return is_new


def _fill() -> None:
    _control("script", latency=0)
    objects = {one["id"]: one for one in _objects()}
    _load(objects.values())
    _sync(repairs=True)
    _load(_changes(objects))
    _sync(repairs=False)
    _happen()


def _sync(*, repairs: bool) -> None:
    for label in WhiteLabel.objects.order_by("id"):
        run = runs.start(label, repairs=repairs)
        while execution.advance(run.pk):
            pass


# --- commands of the fake Stripe ----------------------------------------------------


def _control(path: str, **body: Any) -> Any:
    url = f"{settings.STRIPE_API_BASE}/_fake/{path}"
    with urlopen(Request(url, json.dumps(body).encode()), timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def _products() -> list[Json]:
    url = f"{settings.STRIPE_API_BASE}/_fake/objects?kind=product"
    with urlopen(url, timeout=30) as answer:  # noqa: S310  the scheme is checked
        demo_objects: list[Json] = json.load(answer)
        return demo_objects


def _load(objects: Iterable[Json]) -> None:
    _control("objects", objects=list(objects))


# --- as our rows say ----------------------------------------------------------------


def _objects() -> Iterator[Json]:
    yield from _prices()
    accounts = BillingAccount.objects.filter(stripe_id__startswith="cus_demo")
    rows = accounts.select_related("organization__white_label")
    customers = {row.organization_id: row for row in rows}
    yield from map(_customer, customers.values())
    # Seats before the plan: Stripe lists items in any order.
    subs = Subscription.objects.filter(organization__in=customers)
    by_id = groupby(subs.order_by("stripe_id", "-kind"), lambda sub: sub.stripe_id)
    for _, group in by_id:
        items = list(group)
        yield _subscription(items, customers[items[0].organization_id])
    invoices = Invoice.objects.filter(organization__in=customers)
    for invoice in invoices.select_related("period").order_by("id"):
        yield _invoice(invoice, customers[invoice.organization_id])
    yield from _given_back(customers)


def _prices() -> Iterator[Json]:
    sold = [(tier, "platform", amount) for tier, amount in TIERS.items()]
    for tier, kind, amount in [*sold, ("team", "spaces", SEAT)]:
        metadata = {"orgdesk_kind": kind, "orgdesk_tier": tier}
        product = {"object": "product", "id": f"prod_demo_{tier}"}
        yield product | {"name": tier.title(), "metadata": metadata}
        for currency in CURRENCIES:
            yield _price(tier, "monthly", currency, amount)
            yield _price(tier, "yearly", currency, amount * MONTHS_OF_A_YEAR)


def _price(name: str, cycle: str, currency: str, amount: Decimal) -> Json:
    return {
        "object": "price",
        "id": price_id(name, cycle, currency),
        "product": f"prod_demo_{name}",
        "nickname": f"{name.title()}, {cycle}",
        "currency": currency,
        "unit_amount": _minor(amount, currency),
        "recurring": {"interval": "year" if cycle == "yearly" else "month"},
    }


def _customer(account: BillingAccount) -> Json:
    organization = account.organization
    return {
        "object": "customer",
        "id": account.stripe_id,
        "created": _seconds(organization.created_at),
        "name": organization.name,
        "email": organization.billing_email,
        "currency": organization.white_label.currency,
        "metadata": {
            gateway.ORGANIZATION: str(organization.pk),
            gateway.EXTERNAL_ID: organization.external_id,
        },
    }


def _given_back(customers: Mapping[int, BillingAccount]) -> Iterator[Json]:
    """Yield the payment of a paid invoice, a part of it refunded and disputed."""
    paid = Invoice.objects.filter(
        organization__in=customers, status=Invoice.Status.PAID
    )
    invoice = paid.order_by("stripe_id").first()
    if invoice is None:
        return
    payment = {
        "payment_intent": _intent(invoice),
        "currency": invoice.currency,
        "created": _seconds(invoice.paid_at),
    }
    yield payment | {
        "object": "charge",
        "id": "ch_demo",
        "amount": _minor(invoice.total, invoice.currency),
        "amount_refunded": _REFUNDED,
        "customer": customers[invoice.organization_id].stripe_id,
        "disputed": True,
    }
    part = payment | {"charge": "ch_demo", "amount": _REFUNDED}
    reason = "requested_by_customer"
    yield part | {"object": "refund", "id": "re_demo", "reason": reason}
    yield part | {
        "object": "dispute",
        "id": "du_demo",
        "created": int(timezone.now().timestamp()) - _HOUR,
    }


def _intent(invoice: Invoice) -> str:
    return f"pi_{invoice.stripe_id.removeprefix('in_')}"


def _subscription(rows: Sequence[Subscription], account: BillingAccount) -> Json:
    """Return one subscription with an item for each of its rows."""
    sub = rows[-1]
    start, end = _seconds(sub.period_starts_at), _seconds(sub.period_ends_at)
    is_paused, is_over = sub.status == "paused", sub.status == "canceled"
    span = {"current_period_start": start, "current_period_end": end}
    return {
        "object": "subscription",
        "id": sub.stripe_id,
        "customer": account.stripe_id,
        "created": start,  # an earlier one would mean that the cycle was restarted
        "billing_cycle_anchor": start,
        "status": "active" if is_paused else sub.status,
        "items": [
            {"price": row.stripe_price_id, "quantity": row.seats or 1} | span
            for row in rows
        ],
        "trial_start": start if sub.trial_ends_at else None,
        "trial_end": end if sub.trial_ends_at else None,
        "pause_collection": {"behavior": "void", "resumes_at": None}
        if is_paused
        else None,
        "metadata": {"orgdesk_pause_reason": sub.pause_reason} if is_paused else {},
        "canceled_at": start if is_over else None,
        "ended_at": start if is_over else None,
    }


def _invoice(invoice: Invoice, account: BillingAccount) -> Json:
    issued = _seconds(invoice.issued_at)
    lines = list(_lines(invoice))
    paid = {"paid_at": _seconds(invoice.paid_at)} if invoice.paid_at else {}
    period = invoice.period
    return {
        "object": "invoice",
        "id": invoice.stripe_id,
        "customer": account.stripe_id,
        "created": issued - _HOUR,
        "number": invoice.number,
        "_payment_intent": _intent(invoice) if invoice.paid_at else None,
        "status": invoice.status,
        "currency": invoice.currency,
        "billing_reason": "subscription_cycle",
        "collection_method": invoice.collection_method,
        "attempted": True,
        "attempt_count": invoice.attempt_count,
        "auto_advance": invoice.next_attempt_at is not None,
        "next_payment_attempt": _seconds(invoice.next_attempt_at) or None,
        "effective_at": issued,
        "period_start": _seconds(period.starts_at) if period else issued,
        "period_end": issued,
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": {},
                "subscription": f"sub_demo_{int(str(account.stripe_id)[-4:])}",
            },
            "type": "subscription_details",
        },
        "lines": lines,
        "total": _minor(invoice.total, invoice.currency),
        "status_transitions": {
            "finalized_at": issued,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        }
        | paid,
    }


def _lines(invoice: Invoice) -> Iterator[Json]:
    """Yield the lines of an invoice: the tier, and what the closed period charged."""
    charges = _charges(invoice)
    usage = sum((charge.amount for charge in charges), Decimal(0))
    plan = invoice.total - usage
    yield _line(invoice, "Subscription", plan) | _pricing(plan, invoice.currency)
    for charge in charges:
        metadata = {
            "orgdesk_charge": str(charge.pk),
            "orgdesk_period": str(charge.period_id),
            "orgdesk_product": charge.product,
        }
        yield _line(invoice, charge.product, charge.amount) | {
            "metadata": metadata,
            "parent": {
                "invoice_item_details": {
                    "invoice_item": charge.stripe_id,
                    "proration": False,
                    "proration_details": None,
                    "subscription": None,
                },
                "subscription_item_details": None,
                "type": "invoice_item_details",
            },
        }


def _pricing(amount: Decimal, currency: str) -> Json:
    """Return the price of a line for a month of a tier; nothing for another amount."""
    for tier, price in TIERS.items():
        if price == amount:
            details = {"price": price_id(tier, "monthly", currency)}
            details["product"] = f"prod_demo_{tier}"
            return {"pricing": {"type": "price_details", "price_details": details}}
    return {}


def _line(invoice: Invoice, name: str, amount: Decimal) -> Json:
    period = invoice.period
    start = _seconds(period.starts_at) if period else 0
    return {
        "amount": _minor(amount, invoice.currency),
        "currency": invoice.currency,
        "description": name,
        "period": {"start": start, "end": _seconds(invoice.issued_at)},
    }


def _charges(invoice: Invoice) -> list[Charge]:
    if invoice.period is None:
        return []
    number, at = invoice.period.number, invoice.issued_at
    costs = product_costs(invoice.organization_id, number=number)
    Charge.objects.bulk_create(
        [
            Charge(
                period=invoice.period,
                product=product,
                cost=costs[product],
                amount=amount,
                currency=invoice.currency,
                invoice_stripe_id=invoice.stripe_id,
                stripe_id=f"ii_{invoice.stripe_id}_{product}",
                state=Charge.State.DONE,
                attempts=1,
                next_attempt_at=at,
                created_at=at,
                started_at=at,
                finished_at=at,
            )
            for product, amount in compute_bill(costs, invoice.currency).lines.items()
        ],
        ignore_conflicts=True,
    )
    return list(Charge.objects.filter(period=invoice.period).order_by("product"))


def _minor(amount: Decimal, currency: str) -> int:
    return int(amount / smallest_charge(currency))


def _seconds(at: datetime | None) -> int:
    return int(at.timestamp()) if at else 0


# --- behind our back ----------------------------------------------------------------


def _changes(objects: dict[str, Json]) -> Iterator[Json]:
    """Yield the changes made in Stripe's dashboard whose events were lost."""
    for label in WHITE_LABELS:
        demo_objects = _firsts(label)
        growing = objects[f"sub_demo_{demo_objects[State.GROWING]}"]
        tier = "growth" if "scale" in growing["items"][-1]["price"] else "scale"
        yield _sold(growing, price_id(tier, "monthly", label.currency))
        yield _with_seats(objects[f"sub_demo_{demo_objects[State.CAPACITY]}_spaces"])
        yield _paid(_last_invoice(objects, demo_objects[State.UNPAID]))
    yield from _unknown(objects)


def _firsts(label: WhiteLabelPlan) -> dict[State, int]:
    """Return the index of the first organization of each state; the same on any day."""
    demo_objects = plans(label, today=timezone.now().date())
    return {plan.state: plan.index for plan in reversed(demo_objects)}


def _sold(subscription: Json, price: str) -> Json:
    *seats, plan = subscription["items"]
    return subscription | {"items": [*seats, plan | {"price": price}]}


def _with_seats(subscription: Json) -> Json:
    [item] = subscription["items"]
    return subscription | {"items": [item | {"quantity": item["quantity"] + 5}]}


def _last_invoice(objects: dict[str, Json], index: int) -> Json:
    demo_objects = [id_ for id_ in objects if id_.startswith(f"in_demo_{index}_")]
    return objects[demo_objects[-1]]


def _paid(invoice: Json) -> Json:
    passed = invoice["status_transitions"] | {"paid_at": invoice["effective_at"]}
    settled = {"auto_advance": False, "next_payment_attempt": None}
    return invoice | settled | {"status": "paid", "status_transitions": passed}


def _unknown(objects: dict[str, Json]) -> Iterator[Json]:
    """Return a price without a tier and a customer without an organization."""
    yield {"object": "product", "id": "prod_demo_legacy", "name": "Legacy plan"}
    legacy = _price("legacy", "monthly", "usd", Decimal(250))
    yield legacy
    yield _sold(objects["sub_demo_2"], legacy["id"])
    yield {"object": "customer", "id": _STRAY, "name": "Walk-in", "metadata": {}}


def _happen() -> None:
    """Send two events that need review: one unassigned, one of an organization."""
    note = {"note": "called in November"}
    for customer in (_STRAY, "cus_demo0000"):
        gateway.update_customer(customer, key=f"demo-{customer}", metadata=note)
