"""Stripe's objects as we use them: instants aware in UTC, money in major units."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from billing.gateway.errors import Malformed
from billing.gateway.reading import Node

T = TypeVar("T")

ORGANIZATION = "orgdesk_organization_id"  # in a customer's metadata: our id
EXTERNAL_ID = "orgdesk_external_id"
KIND = "orgdesk_kind"  # in a product's: platform or spaces
TIER = "orgdesk_tier"
PAUSE_REASON = "orgdesk_pause_reason"  # in a subscription's
SUBSCRIPTION_STATUSES = frozenset(
    (
        *("incomplete", "incomplete_expired", "trialing", "active"),
        *("past_due", "unpaid", "paused", "canceled"),
    )
)
INVOICE_STATUSES = frozenset(("draft", "open", "paid", "void", "uncollectible"))
_CYCLES = {("month", 1): "monthly", ("year", 1): "yearly"}


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list, newest first; what could not be read is told, not lost."""

    items: tuple[T, ...]
    next_cursor: str  # empty: this is the last
    last_id: str = ""  # where the list goes on, should it grow
    malformed: tuple[Malformed, ...] = ()


@dataclass(frozen=True, slots=True)
class Customer:
    id: str
    name: str
    email: str
    metadata: Mapping[str, str]
    is_deleted: bool
    created_at: datetime | None  # null: deleted

    @property
    def organization_id(self) -> int | None:
        """What its metadata say; null where they say nothing that can be an id."""
        text = self.metadata.get(ORGANIZATION, "")
        return int(text) if text.isascii() and text.isdigit() else None

    @classmethod
    def read(cls, node: Node) -> "Customer":
        if node.value.get("deleted") is True:  # Stripe keeps the id of it, no more
            return cls(node.text("id"), "", "", {}, is_deleted=True, created_at=None)
        return cls(
            id=node.text("id"),
            name=node.optional_text("name"),
            email=node.nullable_text("email"),
            metadata=node.metadata(),
            is_deleted=False,
            created_at=node.instant("created"),
        )


@dataclass(frozen=True, slots=True)
class Price:
    """`kind`, `tier` and `cycle` are empty where the price does not say."""

    id: str
    product_id: str
    name: str  # of the product
    kind: str
    tier: str
    cycle: str
    unit_amount: Decimal | None
    currency: str
    is_active: bool
    created_at: datetime

    @classmethod
    def read(cls, node: Node) -> "Price":
        """Its product must come expanded; a deleted one says nothing."""
        product = node.node("product")
        is_gone = product.value.get("deleted") is True
        metadata = {} if is_gone else product.metadata()
        currency = node.currency()
        is_free = node.is_null("unit_amount")  # or priced by tiers
        return cls(
            id=node.text("id"),
            product_id=product.text("id"),
            name="" if is_gone else product.text("name"),
            kind=metadata.get(KIND, ""),
            tier=metadata.get(TIER, ""),
            cycle=_cycle(node),
            unit_amount=None if is_free else node.money("unit_amount", currency),
            currency=currency,
            is_active=node.boolean("active"),
            created_at=node.instant("created"),
        )


def _cycle(price: Node) -> str:
    recurring = price.nullable_node("recurring")
    if recurring is None:
        return ""
    every = recurring.text("interval"), recurring.integer("interval_count")
    return _CYCLES.get(every, "")


@dataclass(frozen=True, slots=True)
class SubscriptionItem:
    """What is subscribed to; since 2025 the period is here and not above."""

    id: str
    price_id: str
    quantity: int | None  # null: metered
    period_starts_at: datetime
    period_ends_at: datetime

    @classmethod
    def read(cls, node: Node) -> "SubscriptionItem":
        is_counted = "quantity" in node.value
        return cls(
            id=node.text("id"),
            price_id=node.node("price").text("id"),
            quantity=node.nullable_integer("quantity") if is_counted else None,
            period_starts_at=node.instant("current_period_start"),
            period_ends_at=node.instant("current_period_end"),
        )


@dataclass(frozen=True, slots=True)
class Subscription:
    """`status` is Stripe's word; a paused collection is `is_paused` beside it."""

    id: str
    customer_id: str
    status: str
    items: tuple[SubscriptionItem, ...]  # at least one
    currency: str
    is_paused: bool
    trial_ends_at: datetime | None
    cancels_at: datetime | None  # the period's end, where it is asked for in that way
    canceled_at: datetime | None
    ended_at: datetime | None
    latest_invoice_id: str
    metadata: Mapping[str, str]
    created_at: datetime

    @property
    def item(self) -> SubscriptionItem:
        return self.items[0]

    @property
    def pause_reason(self) -> str:
        return self.metadata.get(PAUSE_REASON, "")

    @classmethod
    def read(cls, node: Node) -> "Subscription":
        items = tuple(map(SubscriptionItem.read, node.nodes("items")))
        if not items:
            raise Malformed(f"{node.path}.items.data", "is empty")
        cancels_at = node.nullable_instant("cancel_at")
        if cancels_at is None and node.boolean("cancel_at_period_end"):
            cancels_at = items[0].period_ends_at
        return cls(
            id=node.text("id"),
            customer_id=node.reference("customer"),
            status=node.word("status", SUBSCRIPTION_STATUSES),
            items=items,
            currency=node.currency(),
            is_paused=node.nullable_node("pause_collection") is not None,
            trial_ends_at=node.nullable_instant("trial_end"),
            cancels_at=cancels_at,
            canceled_at=node.nullable_instant("canceled_at"),
            ended_at=node.nullable_instant("ended_at"),
            latest_invoice_id=node.nullable_reference("latest_invoice"),
            metadata=node.metadata(),
            created_at=node.instant("created"),
        )


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    id: str
    amount: Decimal
    description: str
    price_id: str  # empty: an invoice item by amount
    invoice_item_id: str  # empty: a line of the subscription itself
    is_proration: bool
    period_starts_at: datetime
    period_ends_at: datetime
    metadata: Mapping[str, str]

    @classmethod
    def read(cls, node: Node, currency: str) -> "InvoiceLine":
        period, details = node.node("period"), _line_details(node)
        invoice_item = details and details.value.get("invoice_item")
        return cls(
            id=node.text("id"),
            amount=node.money("amount", currency),
            description=node.nullable_text("description"),
            price_id=_line_price(node),
            invoice_item_id=str(invoice_item or ""),
            is_proration=details.boolean("proration") if details else False,
            period_starts_at=period.instant("start"),
            period_ends_at=period.instant("end"),
            metadata=node.metadata(),
        )


def _line_details(line: Node) -> Node | None:
    parent = line.nullable_node("parent")
    return parent and parent.node(parent.text("type"))


def _line_price(line: Node) -> str:
    pricing = line.nullable_node("pricing")
    details = pricing and pricing.nullable_node("price_details")
    return details.reference("price") if details else ""


@dataclass(frozen=True, slots=True)
class Invoice:
    """`starts_at` and `ends_at` are the span whose usage it bills, half-open."""

    id: str
    customer_id: str
    subscription_id: str  # empty: not of a subscription
    status: str
    billing_reason: str  # `subscription_cycle`, `subscription_create`, `manual`, …
    number: str
    currency: str
    total: Decimal
    amount_due: Decimal
    amount_paid: Decimal
    amount_remaining: Decimal
    lines: tuple[InvoiceLine, ...]
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    due_at: datetime | None
    finalized_at: datetime | None
    paid_at: datetime | None
    hosted_url: str
    collection_method: str  # `send_invoice`, or `charge_automatically`
    metadata: Mapping[str, str]

    @classmethod
    def read(cls, node: Node) -> "Invoice":
        currency = node.currency()
        passed = node.node("status_transitions")
        lines = (InvoiceLine.read(line, currency) for line in node.nodes("lines"))
        return cls(
            id=node.text("id"),
            customer_id=node.nullable_reference("customer"),
            subscription_id=_subscription_of(node),
            status=node.word("status", INVOICE_STATUSES),
            billing_reason=node.nullable_text("billing_reason"),
            number=node.nullable_text("number"),
            currency=currency,
            total=node.money("total", currency),
            amount_due=node.money("amount_due", currency, at_least=0),
            amount_paid=node.money("amount_paid", currency, at_least=0),
            amount_remaining=node.money("amount_remaining", currency),
            lines=tuple(lines),
            starts_at=node.instant("period_start"),
            ends_at=node.instant("period_end"),
            created_at=node.instant("created"),
            due_at=node.nullable_instant("due_date"),
            finalized_at=passed.nullable_instant("finalized_at"),
            paid_at=passed.nullable_instant("paid_at"),
            hosted_url=node.optional_text("hosted_invoice_url"),
            collection_method=node.text("collection_method"),
            metadata=node.metadata(),
        )


def _subscription_of(invoice: Node) -> str:
    parent = invoice.nullable_node("parent")
    if parent is None or parent.text("type") != "subscription_details":
        return ""
    return parent.node("subscription_details").reference("subscription")


@dataclass(frozen=True, slots=True)
class InvoiceItem:
    id: str
    customer_id: str
    invoice_id: str  # empty: waits for the next invoice
    amount: Decimal
    currency: str
    description: str
    metadata: Mapping[str, str]

    @classmethod
    def read(cls, node: Node) -> "InvoiceItem":
        currency = node.currency()
        return cls(
            id=node.text("id"),
            customer_id=node.reference("customer"),
            invoice_id=node.nullable_reference("invoice"),
            amount=node.money("amount", currency),
            currency=currency,
            description=node.nullable_text("description"),
            metadata=node.metadata(),
        )


_LONGEST_ID, _LONGEST_TYPE = 255, 100
_VERSION = re.compile(r"\d{4}-\d\d-\d\d(\.[a-z_]+)?")


@dataclass(frozen=True, slots=True)
class Event:
    """A hint that something changed: what and when, and the rest as it came.

    It is in the version of whoever receives it, whatever that is, so that little is
    read of it and less is needed.
    """

    id: str
    type: str
    api_version: str  # empty: not said
    object_id: str  # empty: there is none to use
    created_at: datetime | None
    payload: Mapping[str, Any]

    @property
    def is_supported(self) -> bool:
        """A snapshot of an object, in a version of the first API: a day, and a name."""
        is_version = not self.api_version or _VERSION.fullmatch(self.api_version)
        return self.payload.get("object") == "event" and bool(is_version)

    @classmethod
    def read(cls, node: Node) -> "Event":
        data = node.value.get("data")
        thing = data.get("object") if isinstance(data, Mapping) else None
        object_id = thing.get("id") if isinstance(thing, Mapping) else None
        id_, type_ = node.text("id"), node.text("type")
        if len(id_) > _LONGEST_ID or len(type_) > _LONGEST_TYPE:
            raise Malformed(node.path, "has an id or a type too long to be one")
        return cls(
            id=id_,
            type=type_,
            api_version=str(node.value.get("api_version") or ""),
            object_id=object_id if isinstance(object_id, str) else "",
            created_at=_created(node),
            payload=node.value,
        )


def _created(event: Node) -> datetime | None:
    try:
        return event.instant("created")
    except Malformed:
        return None  # the second API writes a text
