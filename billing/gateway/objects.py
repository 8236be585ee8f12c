"""Stripe's objects with the fields that Orgdesk uses.

Instants are aware, in UTC; money is in major units. Each `read` raises `Malformed` for
an object without a field that the pinned API version promises.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Generic, TypeVar

from billing import enumerations
from billing.gateway.errors import Malformed
from billing.gateway.nodes import Node

T = TypeVar("T")

# Keys of the metadata that Orgdesk writes or reads in Stripe.
ORGANIZATION = "orgdesk_organization_id"  # of a customer: the organization's id
EXTERNAL_ID = "orgdesk_external_id"  # of a customer: the organization's external id
KIND = "orgdesk_kind"  # of a product: platform or spaces
TIER = "orgdesk_tier"  # of a product
PAUSE_REASON = "orgdesk_pause_reason"  # of a subscription


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Page of a list, newest first, with an error for each object that is malformed."""

    items: tuple[T, ...]
    next_cursor: str  # empty: this is the last page
    last_id: str = ""  # of the page's last object: where the list continues if it grows
    malformed: tuple[Malformed, ...] = ()


def _digest(node: Node, *names: str) -> str:
    """Return a digest of fields that are not mirrored; other fields are left out.

    Only whether it changed is of interest, so what Stripe adds to them does no harm.
    """
    fields = [node.value.get(name) for name in names]
    text = json.dumps(fields, sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Customer:
    """Customer; a deleted one has only its id.

    `pricing` is a digest of what changes the prices of its invoices.
    """

    id: str
    name: str
    email: str
    metadata: Mapping[str, str]
    is_deleted: bool
    created_at: datetime | None  # null: deleted
    pricing: str = ""

    @property
    def organization_id(self) -> int | None:
        """Organization's id from the metadata; null if they have no valid one."""
        text = self.metadata.get(ORGANIZATION, "")
        return int(text) if text.isascii() and text.isdigit() else None

    @classmethod
    def read(cls, node: Node) -> "Customer":
        """Read a customer; of a deleted one Stripe returns only the id."""
        if node.value.get("deleted") is True:
            return cls(node.text("id"), "", "", {}, is_deleted=True, created_at=None)
        return cls(
            id=node.text("id"),
            name=node.optional_text("name"),
            email=node.nullable_text("email"),
            metadata=node.metadata(),
            is_deleted=False,
            created_at=node.instant("created"),
            pricing=_digest(node, "discount", "balance", "tax_exempt", "address"),
        )


@dataclass(frozen=True, slots=True)
class Price:
    """Price with what its product sells.

    `kind` and `tier` are empty if the product's metadata lack them. A price that is
    paid once has no `interval`, and then a count of 0.
    """

    id: str
    product_id: str
    name: str  # of the product
    kind: str
    tier: str
    interval: str
    interval_count: int
    is_metered: bool  # billed by a quantity that Stripe counts
    unit_amount: Decimal | None
    currency: str
    is_active: bool
    created_at: datetime

    @classmethod
    def read(cls, node: Node) -> "Price":
        """Read a price with its expanded product; a deleted product has no metadata."""
        product = node.node("product")
        is_product_deleted = product.value.get("deleted") is True
        metadata = {} if is_product_deleted else product.metadata()
        currency = node.currency()
        has_no_amount = node.is_null("unit_amount")  # priced by tiers or in fractions
        recurring = node.nullable_node("recurring")
        return cls(
            id=node.text("id"),
            product_id=product.text("id"),
            name="" if is_product_deleted else product.text("name"),
            kind=metadata.get(KIND, ""),
            tier=metadata.get(TIER, ""),
            interval=recurring.choice("interval", enumerations.INTERVAL)
            if recurring
            else "",
            interval_count=recurring.integer("interval_count") if recurring else 0,
            is_metered=recurring is not None and _is_metered(recurring),
            unit_amount=None if has_no_amount else node.money("unit_amount", currency),
            currency=currency,
            is_active=node.boolean("active"),
            created_at=node.instant("created"),
        )


def _is_metered(recurring: Node) -> bool:
    return recurring.choice("usage_type", enumerations.USAGE_TYPE) == "metered"


@dataclass(frozen=True, slots=True)
class SubscriptionItem:
    """Price and quantity of a subscription.

    API versions since 2025 have the billing period here, not on the subscription.
    """

    id: str
    price_id: str
    quantity: int | None  # null: metered
    period_starts_at: datetime
    period_ends_at: datetime

    @classmethod
    def read(cls, node: Node) -> "SubscriptionItem":
        """Read an item; Stripe leaves the quantity of a metered one out."""
        has_quantity = "quantity" in node.value
        return cls(
            id=node.text("id"),
            price_id=node.node("price").text("id"),
            quantity=node.nullable_integer("quantity") if has_quantity else None,
            period_starts_at=node.instant("current_period_start"),
            period_ends_at=node.instant("current_period_end"),
        )


@dataclass(frozen=True, slots=True)
class Subscription:
    """Subscription; `status` is Stripe's, and `is_paused` means paused collection."""

    id: str
    customer_id: str
    status: str
    items: tuple[SubscriptionItem, ...]  # at least one
    has_more_items: bool  # `items` are the first page of them
    currency: str
    is_paused: bool
    trial_starts_at: datetime | None
    trial_ends_at: datetime | None
    cycle_anchor_at: datetime  # from when Stripe counts the cycles
    cancels_at: datetime | None  # the period's end with `cancel_at_period_end`
    canceled_at: datetime | None
    ended_at: datetime | None
    latest_invoice_id: str
    metadata: Mapping[str, str]
    created_at: datetime
    pricing: str = ""  # a digest of its discounts and taxes

    @property
    def item(self) -> SubscriptionItem:
        """First item, which carries the billing period."""
        return self.items[0]

    @property
    def pause_reason(self) -> str:
        """Reason that Orgdesk wrote when it paused the subscription, or empty."""
        return self.metadata.get(PAUSE_REASON, "")

    @classmethod
    def read(cls, node: Node) -> "Subscription":
        """Read a subscription; raise `Malformed` if it has no item."""
        items = tuple(map(SubscriptionItem.read, node.nodes("items")))
        if not items:
            raise Malformed(f"{node.path}.items.data", "is empty")
        cancels_at = node.nullable_instant("cancel_at")
        if cancels_at is None and node.boolean("cancel_at_period_end"):
            cancels_at = items[0].period_ends_at
        return cls(
            id=node.text("id"),
            customer_id=node.reference("customer"),
            status=node.choice("status", enumerations.SUBSCRIPTION_STATUS),
            items=items,
            has_more_items=node.node("items").boolean("has_more"),
            currency=node.currency(),
            is_paused=_is_paused(node),
            trial_starts_at=node.nullable_instant("trial_start"),
            trial_ends_at=node.nullable_instant("trial_end"),
            cycle_anchor_at=node.instant("billing_cycle_anchor"),
            cancels_at=cancels_at,
            canceled_at=node.nullable_instant("canceled_at"),
            ended_at=node.nullable_instant("ended_at"),
            latest_invoice_id=node.nullable_reference("latest_invoice"),
            metadata=node.metadata(),
            created_at=node.instant("created"),
            pricing=_pricing(node),
        )


def _pricing(subscription: Node) -> str:
    """Return a digest of the discounts and taxes of a subscription and its items."""
    parts = [_digest(subscription, "discounts", "default_tax_rates", "automatic_tax")]
    parts += [
        _digest(item, "id", "discounts", "tax_rates")
        for item in subscription.nodes("items")
    ]
    return sha256("".join(parts).encode()).hexdigest()


def _is_paused(subscription: Node) -> bool:
    """Return whether collection is paused, in any of Stripe's ways."""
    pause = subscription.nullable_node("pause_collection")
    if pause is None:
        return False
    pause.choice("behavior", enumerations.PAUSE_BEHAVIOR)
    return True


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """Line of an invoice: of its subscription, or of an invoice item."""

    id: str
    amount: Decimal
    description: str
    price_id: str  # empty: an invoice item with an amount
    invoice_item_id: str  # empty: a line of the subscription itself
    is_proration: bool
    period_starts_at: datetime
    period_ends_at: datetime
    metadata: Mapping[str, str]

    @classmethod
    def read(cls, node: Node, currency: str) -> "InvoiceLine":
        """Read a line of an invoice in that currency."""
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
    """Return what a line belongs to: `parent` names the field that describes it."""
    parent = line.nullable_node("parent")
    return parent and parent.node(parent.text("type"))


def _line_price(line: Node) -> str:
    pricing = line.nullable_node("pricing")
    details = pricing and pricing.nullable_node("price_details")
    return details.reference("price") if details else ""


@dataclass(frozen=True, slots=True)
class Invoice:
    """Invoice; it bills the usage from `starts_at` up to, but not at, `ends_at`."""

    id: str
    customer_id: str
    subscription_id: str  # empty: an invoice without a subscription
    status: str
    billing_reason: str  # `subscription_cycle`, `subscription_create`, `manual`, …
    number: str
    currency: str
    total: Decimal
    amount_due: Decimal
    amount_paid: Decimal
    amount_remaining: Decimal
    credited_before_payment: Decimal  # by credit notes: they lowered what was due
    credited_after_payment: Decimal  # by credit notes, refunded or kept as credit
    lines: tuple[InvoiceLine, ...]
    has_more_lines: bool  # `lines` are the first page of them
    latest_revision_id: str  # the invoice that replaces this one, or empty
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    due_at: datetime | None
    finalized_at: datetime | None
    paid_at: datetime | None
    hosted_url: str
    payment_ids: tuple[str, ...]  # payment intents and charges that paid or pay it
    collection_method: str  # `send_invoice`, or `charge_automatically`
    attempt_count: int  # of payments that Stripe or the customer tried
    next_attempt_at: datetime | None  # null: Stripe will not try by itself
    metadata: Mapping[str, str]

    @classmethod
    def read(cls, node: Node) -> "Invoice":
        """Read an invoice with the lines that the answer has."""
        currency = node.currency()
        transitions = node.node("status_transitions")
        lines = (InvoiceLine.read(line, currency) for line in node.nodes("lines"))
        return cls(
            id=node.text("id"),
            customer_id=node.nullable_reference("customer"),
            subscription_id=_subscription_id(node),
            status=node.choice("status", enumerations.INVOICE_STATUS),
            billing_reason=node.nullable_choice(
                "billing_reason", enumerations.BILLING_REASON
            ),
            number=node.nullable_text("number"),
            currency=currency,
            total=node.money("total", currency),
            amount_due=node.money("amount_due", currency, at_least=0),
            amount_paid=node.money("amount_paid", currency, at_least=0),
            amount_remaining=node.money("amount_remaining", currency),
            credited_before_payment=node.money(
                "pre_payment_credit_notes_amount", currency, at_least=0
            ),
            credited_after_payment=node.money(
                "post_payment_credit_notes_amount", currency, at_least=0
            ),
            lines=tuple(lines),
            has_more_lines=node.node("lines").boolean("has_more"),
            latest_revision_id=node.nullable_reference("latest_revision"),
            starts_at=node.instant("period_start"),
            ends_at=node.instant("period_end"),
            created_at=node.instant("created"),
            due_at=node.nullable_instant("due_date"),
            finalized_at=transitions.nullable_instant("finalized_at"),
            paid_at=transitions.nullable_instant("paid_at"),
            hosted_url=node.optional_text("hosted_invoice_url"),
            payment_ids=tuple(_payment_ids(node)),
            collection_method=node.choice(
                "collection_method", enumerations.COLLECTION_METHOD
            ),
            attempt_count=_attempt_count(node),
            next_attempt_at=node.nullable_instant("next_payment_attempt"),
            metadata=node.metadata(),
        )


def _payment_ids(invoice: Node) -> Iterator[str]:
    """Yield the payments of an invoice, if the answer has them expanded."""
    if not invoice.has("payments"):
        return
    for payment in invoice.nodes("payments"):
        details = payment.node("payment")
        type_ = details.choice("type", enumerations.PAYMENT_TYPE)
        if type_ != "payment_record":
            yield details.reference(type_)


def _attempt_count(invoice: Node) -> int:
    """Return how often a payment was tried, at least once for an attempted invoice.

    `attempt_count` has scheduled attempts only, `attempted` is true after any.
    """
    return max(invoice.integer("attempt_count"), int(invoice.boolean("attempted")))


def _subscription_id(invoice: Node) -> str:
    parent = invoice.nullable_node("parent")
    if parent is None or parent.text("type") != "subscription_details":
        return ""
    return parent.node("subscription_details").reference("subscription")


@dataclass(frozen=True, slots=True)
class InvoiceItem:
    """Amount that Orgdesk or a person added to an invoice."""

    id: str
    customer_id: str
    invoice_id: str  # empty: waits for the next invoice
    amount: Decimal
    currency: str
    description: str
    metadata: Mapping[str, str]

    @classmethod
    def read(cls, node: Node) -> "InvoiceItem":
        """Read an invoice item."""
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


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Credit note, refund or dispute: money that goes back, or that is held back."""

    id: str
    kind: str  # `credit_note`, `refund` or `dispute`
    customer_id: str  # empty: a payment without a customer
    invoice_id: str  # of a credit note; else empty
    payment_ids: tuple[str, ...]  # payment intent and charge of a refund or dispute
    number: str  # of a credit note
    status: str
    reason: str
    currency: str
    amount: Decimal
    created_at: datetime
    respond_by_at: datetime | None  # when evidence against a dispute is due

    @classmethod
    def read_credit_note(cls, node: Node) -> "Adjustment":
        """Read a credit note."""
        currency = node.currency()
        return cls(
            id=node.text("id"),
            kind="credit_note",
            customer_id=node.reference("customer"),
            invoice_id=node.reference("invoice"),
            payment_ids=(),
            number=node.nullable_text("number"),
            status=node.choice("status", enumerations.CREDIT_NOTE_STATUS),
            reason=node.nullable_text("reason"),
            currency=currency,
            amount=node.money("amount", currency, at_least=0),
            created_at=node.instant("created"),
            respond_by_at=None,
        )

    @classmethod
    def read_refund(cls, node: Node) -> "Adjustment":
        """Read a refund with its expanded charge; an old one has no status."""
        statuses = enumerations.REFUND_STATUS
        status = node.nullable_choice("status", statuses) or "succeeded"
        return cls._read_payment(node, "refund", status, respond_by_at=None)

    @classmethod
    def read_dispute(cls, node: Node) -> "Adjustment":
        """Read a dispute with its expanded charge."""
        status = node.choice("status", enumerations.DISPUTE_STATUS)
        respond_by_at = node.node("evidence_details").nullable_instant("due_by")
        return cls._read_payment(node, "dispute", status, respond_by_at=respond_by_at)

    @classmethod
    def _read_payment(
        cls, node: Node, kind: str, status: str, *, respond_by_at: datetime | None
    ) -> "Adjustment":
        """Read what refunds and disputes have in common: they are of a payment."""
        currency = node.currency()
        names = ("payment_intent", "charge")
        return cls(
            id=node.text("id"),
            kind=kind,
            customer_id=_paying_customer(node),
            invoice_id="",
            payment_ids=tuple(filter(None, map(node.nullable_reference, names))),
            number="",
            status=status,
            reason=node.nullable_text("reason"),
            currency=currency,
            amount=node.money("amount", currency, at_least=0),
            created_at=node.instant("created"),
            respond_by_at=respond_by_at,
        )


def _paying_customer(node: Node) -> str:
    """Return the customer of a refund or dispute, empty if the payment has none."""
    if node.has("customer"):
        return node.reference("customer")
    is_expanded = isinstance(node.value.get("charge"), Mapping)
    return node.node("charge").nullable_reference("customer") if is_expanded else ""


_LONGEST_ID, _LONGEST_TYPE = 255, 100  # the columns of `StripeEvent`
_VERSION = re.compile(r"\d{4}-\d\d-\d\d(\.[a-z_]+)?")


@dataclass(frozen=True, slots=True)
class Event:
    """Notice that an object changed, with its payload as it arrived.

    The payload is in the API version of the endpoint that received it, which can be any
    version. Therefore only a few fields are read, and the object itself is fetched
    again.
    """

    id: str
    type: str
    api_version: str  # empty: unknown
    object_id: str  # empty: the payload has none
    created_at: datetime | None
    payload: Mapping[str, Any]

    @property
    def is_supported(self) -> bool:
        """True for an event of the v1 API, whose versions begin with a date."""
        is_version = not self.api_version or _VERSION.fullmatch(self.api_version)
        return self.payload.get("object") == "event" and bool(is_version)

    @classmethod
    def read(cls, node: Node) -> "Event":
        """Read an event; raise `Malformed` if its id or type cannot be stored."""
        data = node.value.get("data")
        snapshot = data.get("object") if isinstance(data, Mapping) else None
        object_id = snapshot.get("id") if isinstance(snapshot, Mapping) else None
        id_, type_ = node.text("id"), node.text("type")
        if len(id_) > _LONGEST_ID or len(type_) > _LONGEST_TYPE:
            raise Malformed(node.path, "has an id or a type that is too long")
        return cls(
            id=id_,
            type=type_,
            api_version=str(node.value.get("api_version") or ""),
            object_id=object_id if isinstance(object_id, str) else "",
            created_at=_created_at(node),
            payload=node.value,
        )


def _created_at(event: Node) -> datetime | None:
    """Return when an event was created; null where it has no timestamp in seconds."""
    try:
        return event.instant("created")
    except Malformed:  # events of the v2 API have a text here
        return None
