"""Reads of Stripe actions: which are possible now, why not, and which were requested.

A Stripe action is a change in Stripe that a staff member requests for an organization.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from billing.models import (
    BillingAccount,
    Discrepancy,
    Invoice,
    Price,
    StripeAction,
    Subscription,
    SubscriptionItem,
)
from orgs.models import Organization

Kind = StripeAction.Kind
_State = StripeAction.State
_MAX_ACTIONS = 30
_MAX_ENDED, _MAX_SUBSCRIPTIONS = 2, 20
# An action that is due later than this is scheduled and does not block other actions.
_SOON = timedelta(minutes=1)

# In the order of their buttons.
ORGANIZATION_KINDS = (
    Kind.CREATE_CUSTOMER,
    Kind.LINK_CUSTOMER,
    Kind.UNLINK_CUSTOMER,
    Kind.START,
    Kind.PAYMENT_LINK,
)
SUBSCRIPTION_KINDS = (
    Kind.CHANGE_TIER,
    Kind.SEATS,
    Kind.TRIAL_END,
    Kind.PAUSE,
    Kind.RESUME,
    Kind.CANCEL,
)
_UNCHANGEABLE_STATUSES = {
    "incomplete": "The first payment is still pending.",
    "unpaid": "Its unpaid invoices must be paid first.",
    "paused": "The subscription is paused. Resume it first.",
    "canceled": "The subscription has ended.",
}


@dataclass(frozen=True, slots=True)
class ActionContext:
    """The facts about one organization that decide which actions are possible."""

    is_deleted: bool
    customer_id: str  # empty: no customer is linked
    is_customer_gone: bool  # Stripe no longer had it when it was last read
    subscriptions: tuple[Subscription, ...]  # all that have not been canceled
    ended: tuple[Subscription, ...]  # the most recently canceled ones
    items: tuple[SubscriptionItem, ...]  # of all its subscriptions
    prices: tuple[Price, ...]  # active prices in the white label's currency
    open_invoices: tuple[Invoice, ...]
    running: StripeAction | None  # requested and not finished
    scheduled: tuple[StripeAction, ...]  # due at a later instant

    def find(self, subscription_id: int) -> Subscription | None:
        """Return a subscription of this organization by its primary key."""
        rows = (*self.subscriptions, *self.ended)
        return next((row for row in rows if row.pk == subscription_id), None)

    def find_by_stripe_id(self, stripe_id: str, kind: str = "") -> Subscription | None:
        """Return a subscription of this organization by its ID in Stripe.

        `kind` chooses the row of one that sells several kinds.
        """
        rows = [
            row
            for row in (*self.subscriptions, *self.ended)
            if row.stripe_id == stripe_id
        ]
        same_kind = [row for row in rows if row.kind == kind]
        return next(iter(same_kind or rows), None)

    def items_of(self, subscription: Subscription) -> list[SubscriptionItem]:
        """Return the items of a subscription that are of its kind."""
        return [
            item
            for item in self.items
            if item.subscription_stripe_id == subscription.stripe_id
            and item.kind == subscription.kind
        ]

    def joined_to(self, subscription: Subscription) -> list[Subscription]:
        """Return the rows of other kinds that are the same subscription in Stripe."""
        return [
            row
            for row in self.subscriptions
            if row.stripe_id == subscription.stripe_id and row.kind != subscription.kind
        ]

    @property
    def startable(self) -> tuple[Price, ...]:
        """The prices of subscription kinds that the organization does not have yet."""
        subscribed_kinds = {row.kind for row in self.subscriptions}
        return tuple(row for row in self.prices if row.kind not in subscribed_kinds)

    def alternatives(self, subscription: Subscription) -> tuple[Price, ...]:
        """Return the other prices that this subscription can change to."""
        return tuple(
            price
            for price in self.prices
            if price.kind == subscription.kind
            and price.stripe_id != subscription.stripe_price_id
        )


def action_context(organization: Organization) -> ActionContext:
    """Return the facts that decide which actions are possible for an organization.

    Runs six statements; each reads the rows of this organization only.
    """
    account = _accounts().filter(organization=organization).first()
    subscriptions = _subscriptions(organization)
    ended = [row for row in subscriptions if row.status == "canceled"]
    unfinished = list(
        StripeAction.objects.unfinished()
        .filter(organization=organization)
        .order_by("id")
    )
    scheduled = tuple(action for action in unfinished if is_scheduled(action))
    return ActionContext(
        is_deleted=organization.deleted_at is not None,
        customer_id=(account and account.stripe_id) or "",
        is_customer_gone=account is not None and account.is_gone,
        subscriptions=tuple(row for row in subscriptions if row not in ended),
        ended=tuple(ended[:_MAX_ENDED]),
        items=tuple(
            SubscriptionItem.objects.filter(organization=organization).order_by("id")
        ),
        prices=tuple(_prices(organization.white_label.currency)),
        open_invoices=tuple(
            Invoice.objects.filter(
                organization=organization, status=Invoice.Status.OPEN
            ).order_by("issued_at", "id")
        ),
        running=next((row for row in unfinished if row not in scheduled), None),
        scheduled=scheduled,
    )


def _accounts() -> QuerySet[BillingAccount, Any]:
    """Return billing accounts with `is_gone`: an open warning about the customer."""
    warnings = Discrepancy.objects.filter(
        kind=Discrepancy.Kind.NO_CUSTOMER,
        stripe_id=OuterRef("stripe_id"),
        resolved_at=None,
    )
    return BillingAccount.objects.annotate(is_gone=Exists(warnings))


def _subscriptions(organization: Organization) -> list[Subscription]:
    """Return the subscriptions that have not ended, then the most recent ended ones."""
    rows = Subscription.objects.filter(organization=organization)
    rows = rows.annotate(is_over=Q(status=Subscription.Status.CANCELED))
    ordered = rows.order_by("is_over", "kind", "-period_ends_at", "-id")
    return list(ordered[:_MAX_SUBSCRIPTIONS])


def is_scheduled(action: StripeAction) -> bool:
    """Return whether an action is due at a later instant and was never attempted.

    A failed attempt also waits for a later instant, but counts as running.
    """
    is_later = action.next_attempt_at > timezone.now() + _SOON
    return action.state == _State.PENDING and not action.attempts and is_later


def _prices(currency: str) -> QuerySet[Price]:
    """Return the active prices whose metadata name what they sell.

    Only those in this currency: Stripe bills a customer in a single currency.
    """
    prices = Price.objects.filter(is_active=True, currency=currency)
    prices = prices.exclude(Q(kind="") | Q(tier="") | Q(cycle_interval=""))
    return prices.order_by("kind", "unit_amount", "cycle_interval", "cycle_count", "id")


# Which actions are possible.


def blocked_reason(
    kind: str, context: ActionContext, subscription: Subscription | None = None
) -> str:
    """Return the sentence that explains why an action is not possible now.

    An empty string means that it is possible.
    """
    if context.is_deleted and kind != Kind.CANCEL:
        return "The organization is deleted."
    if context.running is not None:
        return "Another action is still in progress."
    if kind in SUBSCRIPTION_KINDS:
        return _subscription_reason(kind, context, subscription)
    return _REASONS[Kind(kind)](context)


def _customer_reason(context: ActionContext) -> str:
    linked = f"Already linked to customer {context.customer_id}."
    return linked if context.customer_id else ""


def _unlink_reason(context: ActionContext) -> str:
    if not context.customer_id:
        return "No Stripe customer is linked."
    return "" if context.is_customer_gone else "The customer still exists in Stripe."


def _start_reason(context: ActionContext) -> str:
    if not context.customer_id:
        return "No Stripe customer is linked yet."
    if context.is_customer_gone:
        return "The customer was deleted in Stripe. Unlink it first."
    if not context.prices:
        return (
            "No prices in this currency. Run a sync, or set tier and kind in the"
            " product's metadata in Stripe."
        )
    return "" if context.startable else "Already has all subscription types."


def _payment_link_reason(context: ActionContext) -> str:
    return "" if context.open_invoices else "No open invoices."


_REASONS = {
    Kind.CREATE_CUSTOMER: _customer_reason,
    Kind.LINK_CUSTOMER: _customer_reason,
    Kind.UNLINK_CUSTOMER: _unlink_reason,
    Kind.START: _start_reason,
    Kind.PAYMENT_LINK: _payment_link_reason,
}


def _subscription_reason(
    kind: str, context: ActionContext, subscription: Subscription | None
) -> str:
    if subscription is None or subscription.status == "canceled":
        return _UNCHANGEABLE_STATUSES["canceled"]
    if kind == Kind.CANCEL:
        return ""
    if kind == Kind.RESUME:
        is_paused = subscription.status == "paused"
        return "" if is_paused else "The subscription is not paused."
    if subscription.status in _UNCHANGEABLE_STATUSES:
        return _UNCHANGEABLE_STATUSES[subscription.status]
    return _change_reason(kind, context, subscription)


def _change_reason(
    kind: str, context: ActionContext, subscription: Subscription
) -> str:
    if kind == Kind.TRIAL_END and subscription.status != "trialing":
        return "The subscription is not in a trial."
    if kind == Kind.SEATS and subscription.kind != Subscription.Kind.SPACES:
        return "Platform subscriptions have no seats."
    if kind == Kind.SEATS and len(context.items_of(subscription)) > 1:
        return "Its seats have several prices. Change them in Stripe."
    if kind == Kind.CHANGE_TIER and not context.alternatives(subscription):
        return "No other price is available."
    if kind == Kind.CHANGE_TIER and _has_scheduled_change(context, subscription):
        return "A change is already scheduled. Cancel it first."
    return ""


def _has_scheduled_change(context: ActionContext, subscription: Subscription) -> bool:
    return any(
        action.kind == Kind.CHANGE_TIER
        and action.parameters["subscription"] == subscription.stripe_id
        and action.parameters.get("from_price") == subscription.stripe_price_id
        for action in context.scheduled
    )


# Which actions were requested.


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """A requested action: who requested it, why, its progress and its result."""

    id: int
    organization_id: int
    kind: str
    label: str
    summary: str  # the requested change as a sentence
    note: str
    requested_by: str
    created_at: datetime
    next_attempt_at: datetime
    finished_at: datetime | None
    state: str
    is_scheduled: bool
    attempts: int
    response: tuple[tuple[str, str | datetime], ...]  # labels and values from Stripe
    error_code: str
    error: str

    @property
    def is_unfinished(self) -> bool:
        return self.state in (_State.PENDING, _State.RUNNING)

    @property
    def is_canceled(self) -> bool:
        return self.state == _State.CANCELED


def get_action(organization_id: int, action_id: int) -> ActionFacts | None:
    """Return an action of this organization, or null."""
    rows = StripeAction.objects.filter(organization_id=organization_id, pk=action_id)
    return next(map(_facts, rows), None)


def find_action_id(organization_id: int, idempotency_key: str) -> int | None:
    """Return the ID of the action that a form with this key has already requested.

    A null character, which PostgreSQL cannot store in JSON, is ignored.
    """
    if not idempotency_key:
        return None
    rows = StripeAction.objects.filter(organization_id=organization_id)
    rows = rows.filter(parameters__idempotency_key=idempotency_key.replace("\0", ""))
    return rows.values_list("id", flat=True).first()


def list_actions(
    organization_id: int, *, limit: int = _MAX_ACTIONS
) -> list[ActionFacts]:
    """Return the requested actions of an organization, newest first."""
    rows = StripeAction.objects.filter(organization_id=organization_id)
    return [_facts(row) for row in rows.order_by("-id")[:limit]]


def _facts(row: StripeAction) -> ActionFacts:
    return ActionFacts(
        id=row.pk,
        organization_id=row.organization_id,
        kind=row.kind,
        label=row.get_kind_display(),
        summary=row.parameters.get("summary", ""),
        note=row.note,
        requested_by=row.requested_by,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        finished_at=row.finished_at,
        state=row.state,
        is_scheduled=is_scheduled(row),
        attempts=row.attempts,
        response=tuple(_label_response(row.answer or {})),
        error_code=row.error_code,
        error=row.error,
    )


_FIRST_FIELDS = ("customer", "subscription", "invoice", "name", "status", "price")
_FIELD_ORDER = {name: position for position, name in enumerate(_FIRST_FIELDS)}


def _label_response(
    response: Mapping[str, Any],
) -> Iterator[tuple[str, str | datetime]]:
    """Yield a readable label and a value for each field of Stripe's response.

    The most important fields come first; fields named `…_at` become instants.
    """
    last = len(_FIELD_ORDER)
    for name in sorted(response, key=lambda name: _FIELD_ORDER.get(name, last)):
        value = response[name]
        label = name.removesuffix("_at").replace("_", " ").capitalize()
        is_instant = name.endswith("_at")
        yield label, datetime.fromisoformat(value) if is_instant else str(value)


def list_due_actions(limit: int) -> list[int]:
    """Return the keys of actions that a sweep enqueues, the longest due first."""
    return list(StripeAction.objects.forgotten().values_list("pk", flat=True)[:limit])
