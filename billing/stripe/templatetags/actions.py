"""Template tags that show Stripe actions: buttons, statuses and descriptions."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from django import template
from django.urls import reverse

from billing.models import Price, StripeAction, Subscription, SubscriptionItem
from billing.stripe.queries.actions import (
    ORGANIZATION_KINDS,
    SUBSCRIPTION_KINDS,
    ActionContext,
    ActionFacts,
    blocked_reason,
)
from orgs.models import Organization
from orgs.web.templatetags.display import instant

register = template.Library()
Kind = StripeAction.Kind


@register.filter
def items_of(
    context: ActionContext, subscription: Subscription
) -> list[SubscriptionItem]:
    """Return the items of a subscription that are of its kind."""
    return context.items_of(subscription)


class Button(TypedDict):
    """A button that opens the form of an action, or is disabled with a reason."""

    kind: str
    label: str
    url: str
    blocked_reason: str  # empty: the button is enabled
    tone: str


@register.simple_tag
def organization_buttons(
    organization: Organization, context: ActionContext, staff_reason: str
) -> list[Button]:
    """Return the buttons of actions that concern the organization itself.

    Without a customer only creating or linking one is offered. `staff_reason` disables
    all buttons; otherwise each is disabled with its own reason.
    """
    first_kinds = (Kind.CREATE_CUSTOMER, Kind.LINK_CUSTOMER)
    hidden = set(first_kinds)
    if not context.is_customer_gone:
        hidden.add(Kind.UNLINK_CUSTOMER)
    kinds = [kind for kind in ORGANIZATION_KINDS if kind not in hidden]
    return [
        _button(
            kind,
            reverse("billing:action_form", args=[organization.pk, _slug(kind)]),
            staff_reason or blocked_reason(kind, context),
        )
        for kind in (kinds if context.customer_id else first_kinds)
    ]


@register.simple_tag
def subscription_buttons(
    organization: Organization,
    subscription: Subscription,
    context: ActionContext,
    staff_reason: str,
) -> list[Button]:
    """Return the buttons of actions that apply to a subscription in its status."""
    return [
        _button(
            kind,
            reverse(
                "billing:subscription_action_form",
                args=[organization.pk, subscription.pk, _slug(kind)],
            ),
            staff_reason or blocked_reason(kind, context, subscription),
        )
        for kind in SUBSCRIPTION_KINDS
        if _applies_to(kind, subscription)
    ]


def _applies_to(kind: str, subscription: Subscription) -> bool:
    """Return whether a button makes sense: no seats for a platform subscription."""
    is_paused = subscription.status == Subscription.Status.PAUSED
    applies = {
        Kind.SEATS: subscription.kind == Subscription.Kind.SPACES,
        Kind.TRIAL_END: subscription.status == Subscription.Status.TRIALING,
        Kind.PAUSE: not is_paused,
        Kind.RESUME: is_paused,
    }
    return applies.get(Kind(kind), True)


def _button(kind: Kind, url: str, reason: str) -> Button:
    return Button(
        kind=kind.value,
        label=str(kind.label),
        url=url,
        blocked_reason=reason,
        tone="danger" if kind == Kind.CANCEL else "",
    )


def _slug(kind: str) -> str:
    return kind.replace("_", "-")


@register.simple_tag
def blocked_reasons(buttons: Sequence[Button]) -> list[tuple[str, str]]:
    """Return the reasons of disabled buttons, each with the labels of its buttons.

    The labels are empty for a reason that disables all buttons.
    """
    labels_by_reason: dict[str, list[str]] = {}
    for button in buttons:
        if reason := button["blocked_reason"]:
            labels_by_reason.setdefault(reason, []).append(button["label"])
    return [
        (reason, "" if len(labels) == len(buttons) else ", ".join(labels))
        for reason, labels in labels_by_reason.items()
    ]


@register.filter
def price_of(prices: dict[str, Price], subscription: Subscription) -> Price | None:
    return prices.get(subscription.stripe_price_id)


@register.filter
def response_value(value: str | datetime, zone: str) -> str:
    """Return a value of Stripe's response as text, instants in the given time zone."""
    return instant(value, zone) if isinstance(value, datetime) else value


_STATES = {
    "pending": "Queued",
    "running": "Processing",
    "done": "Done",
    "failed": "Failed",
}


@register.filter
def action_state(action: ActionFacts) -> str:
    if action.is_canceled:
        return "Canceled"
    if action.is_scheduled:
        return "Scheduled"
    if action.is_unfinished and action.attempts and action.error:
        return "Retrying soon"
    return _STATES[action.state]


@register.filter
def action_tone(action: ActionFacts) -> str:
    tones = {"done": "good", "failed": "bad", "canceled": ""}
    return tones.get(action.state, "warn")


_OLDER_USAGE = (
    " Its first renewal invoice bills all usage of the open period. If older usage was"
    " already paid for elsewhere, close the period manually first."
)

# What an action does, shown above its form.
_DESCRIPTIONS = {
    Kind.CREATE_CUSTOMER: "Creates a Stripe customer with this organization's name and"
    " IDs.",
    Kind.LINK_CUSTOMER: "Links an existing Stripe customer to this organization and"
    " imports its subscriptions and invoices." + _OLDER_USAGE,
    Kind.UNLINK_CUSTOMER: "For a customer that was deleted in Stripe. Orgdesk checks"
    " Stripe once more, then removes the link so that you can create or link another"
    " customer. Imported subscriptions and invoices are kept.",
    Kind.START: "The subscription starts now. Without a trial, the first invoice is"
    " created immediately." + _OLDER_USAGE,
    Kind.CHANGE_TIER: "Now: the rest of the period is credited at the old price and"
    " charged at the new price. At period end: the next invoice uses the new price.",
    Kind.SEATS: "Takes effect now. The rest of the period is prorated.",
    Kind.TRIAL_END: "The subscription is not charged during the trial. The first"
    " paid period starts when the trial ends.",
    Kind.PAUSE: "Invoices are voided while the subscription is paused. Usage is still"
    " recorded.",
    Kind.RESUME: "Payment collection resumes with the next invoice.",
    Kind.CANCEL: "Stripe ends the subscription on the chosen date and creates no more"
    " invoices. You can undo this until then.",
    Kind.PAYMENT_LINK: "Stripe emails each invoice with a payment link. For an"
    " invoice that Stripe charges automatically, you get a link to pass on.",
}


@register.filter
def action_description(kind: str) -> str:
    return _DESCRIPTIONS[Kind(kind)]
