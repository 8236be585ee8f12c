"""Actions on Stripe as buttons and in words."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from django import template
from django.urls import reverse

from billing.models import Price, StripeAction, Subscription
from billing.queries.actions import (
    OF_ORGANIZATION,
    OF_SUBSCRIPTION,
    ActionFacts,
    Standing,
    why_not,
)
from orgs.models import Organization
from orgs.templatetags.display import instant

register = template.Library()
Kind = StripeAction.Kind

_LABELS = {
    Kind.CREATE_CUSTOMER: "Create a customer",
    Kind.LINK_CUSTOMER: "Link a customer",
    Kind.UNLINK_CUSTOMER: "Unlink the customer",
    Kind.START: "Start a subscription",
    Kind.PAYMENT_LINK: "Send a payment link",
    Kind.CHANGE_TIER: "Change tier",
    Kind.SEATS: "Seats",
    Kind.TRIAL_END: "Trial end",
    Kind.PAUSE: "Pause",
    Kind.RESUME: "Resume",
    Kind.CANCEL: "Cancel",
}


class Button(TypedDict):
    label: str
    url: str
    why_not: str
    tone: str


@register.simple_tag
def organization_buttons(
    organization: Organization, now: Standing, refusal: str
) -> list[Button]:
    """What the organization itself may be asked for; `refusal` is for all of them."""
    missing = (Kind.CREATE_CUSTOMER, Kind.LINK_CUSTOMER)
    unlink = () if now.is_customer_gone else (Kind.UNLINK_CUSTOMER,)
    kinds = [kind for kind in OF_ORGANIZATION if kind not in (*missing, *unlink)]
    return [
        _button(
            kind,
            reverse("billing:act", args=[organization.pk, _slug(kind)]),
            refusal or why_not(kind, now),
        )
        for kind in (kinds if now.customer_id else missing)
    ]


@register.simple_tag
def subscription_buttons(
    organization: Organization, subscription: Subscription, now: Standing, refusal: str
) -> list[Button]:
    """Those that can be meant: no seats of a platform, no pause of what is paused."""
    return [
        _button(
            kind,
            reverse(
                "billing:act_on", args=[organization.pk, subscription.pk, _slug(kind)]
            ),
            refusal or why_not(kind, now, subscription),
        )
        for kind in OF_SUBSCRIPTION
        if _is_meant(kind, subscription)
    ]


def _is_meant(kind: str, subscription: Subscription) -> bool:
    is_paused = subscription.status == Subscription.Status.PAUSED
    meant = {
        Kind.SEATS: subscription.kind == Subscription.Kind.SPACES,
        Kind.TRIAL_END: subscription.status == Subscription.Status.TRIALING,
        Kind.PAUSE: not is_paused,
        Kind.RESUME: is_paused,
    }
    return meant.get(Kind(kind), True)


def _button(kind: Kind, url: str, refusal: str) -> Button:
    tone = "danger" if kind == Kind.CANCEL else ""
    return Button(label=_LABELS[kind], url=url, why_not=refusal, tone=tone)


def _slug(kind: str) -> str:
    return kind.replace("_", "-")


@register.simple_tag
def reasons_of(buttons: Sequence[Button]) -> list[tuple[str, str]]:
    """Why some cannot be pressed, and which; no names where it is all of them."""
    labels: dict[str, list[str]] = {}
    for button in buttons:
        if button["why_not"]:
            labels.setdefault(button["why_not"], []).append(button["label"])
    return [
        (reason, "" if len(named) == len(buttons) else ", ".join(named))
        for reason, named in labels.items()
    ]


@register.filter
def price_of(prices: dict[str, Price], subscription: Subscription) -> Price | None:
    return prices.get(subscription.stripe_price_id)


@register.filter
def told(value: str | datetime, zone: str) -> str:
    """A value of Stripe's answer."""
    return instant(value, zone) if isinstance(value, datetime) else value


_STATES = {
    "pending": "Waits for a worker",
    "running": "Stripe is being asked",
    "done": "Done",
    "failed": "Failed",
}


@register.filter
def action_state(action: ActionFacts) -> str:
    if action.is_called_off:
        return "Called off"
    if action.is_planned:
        return "Planned"
    if action.is_unfinished and action.attempts and action.error:
        return "Tried again soon"
    return _STATES[action.state]


@register.filter
def action_tone(action: ActionFacts) -> str:
    tones = {"done": "good", "failed": "" if action.is_called_off else "bad"}
    return tones.get(action.state, "warn")


_OLDER = (
    " The invoice of its first cycle bills all usage of the open period, whenever that"
    " began: close it by hand before, where older usage was paid for otherwise."
)

# What is done, before anybody asks for it.
_LEADS = {
    Kind.CREATE_CUSTOMER: "Stripe gets a customer of this name, linked by our ids.",
    Kind.LINK_CUSTOMER: "A customer that Stripe has already becomes that of this"
    " organization; its subscriptions and invoices are mirrored." + _OLDER,
    Kind.UNLINK_CUSTOMER: "For a customer that was deleted in Stripe: Stripe is asked"
    " once more, then the organization has none and may get another. What was mirrored"
    " stays.",
    Kind.START: "A subscription from now on. Without a trial its first invoice is made"
    " at once." + _OLDER,
    Kind.CHANGE_TIER: "Now: the rest of the period is credited at the old price and"
    " charged at the new one. When its period ends: the next invoice has the new"
    " price.",
    Kind.SEATS: "From now on; the rest of the period is prorated.",
    Kind.TRIAL_END: "Until then nothing is charged for the subscription; the first"
    " period begins there.",
    Kind.PAUSE: "Its invoices are voided while it lasts. Usage is still counted.",
    Kind.RESUME: "Invoices are collected again from the next one on.",
    Kind.CANCEL: "On that day Stripe ends it and makes no more invoices; until then it"
    " can be undone.",
    Kind.PAYMENT_LINK: "Stripe sends the open invoice by e-mail, with a link to pay it;"
    " one that it charges by itself has a link to pass on.",
}


@register.filter
def action_lead(kind: str) -> str:
    return _LEADS[Kind(kind)]
