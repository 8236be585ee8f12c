"""What may be asked of Stripe for an organization now, why not, and what was asked."""

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
)
from orgs.models import Organization

Kind = StripeAction.Kind
_State = StripeAction.State
_SHOWN = 30
_ENDED_SHOWN, _LOOKED_AT = 2, 20
_SOON = timedelta(minutes=1)  # what is due later is planned, and in nobody's way

# In the order of their buttons.
OF_ORGANIZATION = (
    Kind.CREATE_CUSTOMER,
    Kind.LINK_CUSTOMER,
    Kind.UNLINK_CUSTOMER,
    Kind.START,
    Kind.PAYMENT_LINK,
)
OF_SUBSCRIPTION = (
    Kind.CHANGE_TIER,
    Kind.SEATS,
    Kind.TRIAL_END,
    Kind.PAUSE,
    Kind.RESUME,
    Kind.CANCEL,
)
_NOT_CHANGEABLE = {
    "incomplete": "The first payment is still pending.",
    "unpaid": "Its unpaid invoices must be paid first.",
    "paused": "The subscription is paused. Resume it first.",
    "canceled": "The subscription has ended.",
}


@dataclass(frozen=True, slots=True)
class ActionContext:
    """All that decides what is possible; of one organization."""

    is_deleted: bool
    customer_id: str  # empty: none
    is_customer_gone: bool  # Stripe had it no more, the last time it was asked
    subscriptions: tuple[Subscription, ...]  # live ones and those that begin
    ended: tuple[Subscription, ...]  # the last few
    prices: tuple[Price, ...]  # that may be started or changed to
    open_invoices: tuple[Invoice, ...]
    running: StripeAction | None  # asked for and not done yet
    planned: tuple[StripeAction, ...]  # for a later instant

    def find(self, subscription_id: int) -> Subscription | None:
        known = (*self.subscriptions, *self.ended)
        return next((one for one in known if one.pk == subscription_id), None)

    def find_by_stripe_id(self, stripe_id: str) -> Subscription | None:
        known = (*self.subscriptions, *self.ended)
        return next((one for one in known if one.stripe_id == stripe_id), None)

    @property
    def startable(self) -> tuple[Price, ...]:
        """Of kinds that it has not subscribed to."""
        taken = {one.kind for one in self.subscriptions}
        return tuple(price for price in self.prices if price.kind not in taken)

    def alternatives(self, subscription: Subscription) -> tuple[Price, ...]:
        return tuple(
            price
            for price in self.prices
            if price.kind == subscription.kind
            and price.stripe_id != subscription.stripe_price_id
        )


def action_context(organization: Organization) -> ActionContext:
    """Five statements, none over more than one organization."""
    account = _accounts().filter(organization=organization).first()
    subscriptions = _subscriptions(organization)
    ended = [one for one in subscriptions if one.status == "canceled"]
    unfinished = list(
        StripeAction.objects.unfinished()
        .filter(organization=organization)
        .order_by("id")
    )
    planned = tuple(action for action in unfinished if is_planned(action))
    return ActionContext(
        is_deleted=organization.deleted_at is not None,
        customer_id=(account and account.stripe_id) or "",
        is_customer_gone=account is not None and account.is_gone,
        subscriptions=tuple(one for one in subscriptions if one not in ended),
        ended=tuple(ended[:_ENDED_SHOWN]),
        prices=tuple(_prices(organization.white_label.currency)),
        open_invoices=tuple(
            Invoice.objects.filter(
                organization=organization, status=Invoice.Status.OPEN
            ).order_by("due_at", "id")
        ),
        running=next((one for one in unfinished if one not in planned), None),
        planned=planned,
    )


def _accounts() -> QuerySet[BillingAccount, Any]:
    warned = Discrepancy.objects.filter(
        kind=Discrepancy.Kind.NO_CUSTOMER,
        stripe_id=OuterRef("stripe_id"),
        resolved_at=None,
    )
    return BillingAccount.objects.annotate(is_gone=Exists(warned))


def _subscriptions(organization: Organization) -> list[Subscription]:
    """Those that have not ended, the platform's first; then the last that have."""
    rows = Subscription.objects.filter(organization=organization)
    rows = rows.annotate(is_over=Q(status=Subscription.Status.CANCELED))
    return list(rows.order_by("is_over", "kind", "-period_ends_at", "-id")[:_LOOKED_AT])


def is_planned(action: StripeAction) -> bool:
    """For a later instant; what failed once waits, but is under way."""
    is_later = action.next_attempt_at > timezone.now() + _SOON
    return action.state == _State.PENDING and not action.attempts and is_later


def _prices(currency: str) -> QuerySet[Price]:
    """Those whose metadata say what they sell; Stripe mixes no currencies."""
    known = Price.objects.filter(is_active=True, currency=currency)
    known = known.exclude(Q(kind="") | Q(tier="") | Q(cycle=""))
    return known.order_by("kind", "unit_amount", "cycle", "id")


# --- what is possible ---------------------------------------------------------------


def why_not(
    kind: str, now: ActionContext, subscription: Subscription | None = None
) -> str:
    """The sentence that says why it cannot be asked for now; empty: it can."""
    if now.is_deleted and kind != Kind.CANCEL:
        return "The organization is deleted."
    if now.running is not None:
        return "Another action is still in progress."
    if kind in OF_SUBSCRIPTION:
        return _why_not_of(kind, now, subscription)
    return _REASONS[Kind(kind)](now)


def _customer_missing(now: ActionContext) -> str:
    has_it = f"Already linked to customer {now.customer_id}."
    return has_it if now.customer_id else ""


def _why_not_unlink(now: ActionContext) -> str:
    if not now.customer_id:
        return "No Stripe customer is linked."
    return "" if now.is_customer_gone else "The customer still exists in Stripe."


def _why_not_start(now: ActionContext) -> str:
    if not now.customer_id:
        return "No Stripe customer is linked yet."
    if now.is_customer_gone:
        return "The customer was deleted in Stripe. Unlink it first."
    if not now.prices:
        return (
            "No prices in this currency. Run a sync, or set tier and kind in the"
            " product's metadata in Stripe."
        )
    return "" if now.startable else "Already has all subscription types."


def _why_not_send(now: ActionContext) -> str:
    return "" if now.open_invoices else "No open invoices."


_REASONS = {
    Kind.CREATE_CUSTOMER: _customer_missing,
    Kind.LINK_CUSTOMER: _customer_missing,
    Kind.UNLINK_CUSTOMER: _why_not_unlink,
    Kind.START: _why_not_start,
    Kind.PAYMENT_LINK: _why_not_send,
}


def _why_not_of(
    kind: str, now: ActionContext, subscription: Subscription | None
) -> str:
    if subscription is None or subscription.status == "canceled":
        return _NOT_CHANGEABLE["canceled"]
    if kind == Kind.CANCEL:
        return ""
    if kind == Kind.RESUME:
        return (
            "" if subscription.status == "paused" else "The subscription is not paused."
        )
    if subscription.status in _NOT_CHANGEABLE:
        return _NOT_CHANGEABLE[subscription.status]
    return _why_not_change(kind, now, subscription)


def _why_not_change(kind: str, now: ActionContext, subscription: Subscription) -> str:
    if kind == Kind.TRIAL_END and subscription.status != "trialing":
        return "The subscription is not in a trial."
    if kind == Kind.SEATS and subscription.kind != Subscription.Kind.SPACES:
        return "Platform subscriptions have no seats."
    if kind == Kind.CHANGE_TIER and not now.alternatives(subscription):
        return "No other price is available."
    is_planned_already = kind == Kind.CHANGE_TIER and any(
        one.kind == kind and one.parameters["subscription"] == subscription.stripe_id
        for one in now.planned
    )
    return "A change is already scheduled. Cancel it first." * is_planned_already


# --- what was asked -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """Something asked for, by whom and why, and how far it is."""

    id: int
    organization_id: int
    kind: str
    label: str
    asks: str  # what exactly, in words
    note: str
    requested_by: str
    created_at: datetime
    next_attempt_at: datetime
    finished_at: datetime | None
    state: str
    is_planned: bool
    attempts: int
    answer: tuple[tuple[str, str | datetime], ...]  # what Stripe said
    error_code: str
    error: str

    @property
    def is_unfinished(self) -> bool:
        return self.state in (_State.PENDING, _State.RUNNING)

    @property
    def is_canceled(self) -> bool:
        return self.state == _State.CANCELED


def get_action(organization_id: int, action_id: int) -> ActionFacts | None:
    rows = StripeAction.objects.filter(organization_id=organization_id, pk=action_id)
    return next(map(_facts, rows), None)


def find_requested(organization_id: int, form: str) -> int | None:
    """The id of what a form with this word of its own has asked for already."""
    if not form:
        return None
    rows = StripeAction.objects.filter(organization_id=organization_id)
    found = rows.filter(parameters__form=form.replace("\0", ""))
    return found.values_list("id", flat=True).first()


def list_actions(organization_id: int, *, limit: int = _SHOWN) -> list[ActionFacts]:
    """Newest first."""
    rows = StripeAction.objects.filter(organization_id=organization_id)
    return [_facts(row) for row in rows.order_by("-id")[:limit]]


def _facts(row: StripeAction) -> ActionFacts:
    return ActionFacts(
        id=row.pk,
        organization_id=row.organization_id,
        kind=row.kind,
        label=row.get_kind_display(),
        asks=row.parameters.get("words", ""),
        note=row.note,
        requested_by=row.requested_by,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        finished_at=row.finished_at,
        state=row.state,
        is_planned=is_planned(row),
        attempts=row.attempts,
        answer=tuple(_answered(row.answer or {})),
        error_code=row.error_code,
        error=row.error,
    )


_TOLD_FIRST = ("customer", "subscription", "invoice", "name", "status", "price")
_ORDER = {name: place for place, name in enumerate(_TOLD_FIRST)}


def _answered(answer: Mapping[str, Any]) -> Iterator[tuple[str, str | datetime]]:
    """Names for people; what is an instant becomes one again."""
    for name, value in sorted(answer.items(), key=lambda one: _ORDER.get(one[0], 99)):
        label = name.removesuffix("_at").replace("_", " ").capitalize()
        is_instant = name.endswith("_at")
        yield label, datetime.fromisoformat(value) if is_instant else str(value)


def list_due_actions(limit: int) -> list[int]:
    """Return the keys of actions that a sweep enqueues, the longest due first."""
    return list(StripeAction.objects.forgotten().values_list("pk", flat=True)[:limit])
