"""Actions on Stripe as buttons and in words."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from django import template
from django.urls import reverse

from billing.models import Price, StripeAction, Subscription
from billing.stripe.queries.actions import (
    OF_ORGANIZATION,
    OF_SUBSCRIPTION,
    ActionContext,
    ActionFacts,
    why_not,
)
from orgs.models import Organization
from orgs.web.templatetags.display import instant

register = template.Library()
Kind = StripeAction.Kind


class Button(TypedDict):
    kind: str
    label: str
    url: str
    why_not: str
    tone: str


@register.simple_tag
def organization_buttons(
    organization: Organization, now: ActionContext, refusal: str
) -> list[Button]:
    """What the organization itself may be asked for; `refusal` is for all of them."""
    missing = (Kind.CREATE_CUSTOMER, Kind.LINK_CUSTOMER)
    unlink = () if now.is_customer_gone else (Kind.UNLINK_CUSTOMER,)
    kinds = [kind for kind in OF_ORGANIZATION if kind not in (*missing, *unlink)]
    return [
        _button(
            kind,
            reverse("billing:request_action", args=[organization.pk, _slug(kind)]),
            refusal or why_not(kind, now),
        )
        for kind in (kinds if now.customer_id else missing)
    ]


@register.simple_tag
def subscription_buttons(
    organization: Organization,
    subscription: Subscription,
    now: ActionContext,
    refusal: str,
) -> list[Button]:
    """Those that can be meant: no seats of a platform, no pause of what is paused."""
    return [
        _button(
            kind,
            reverse(
                "billing:request_action_on",
                args=[organization.pk, subscription.pk, _slug(kind)],
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
    label = str(kind.label)
    return Button(kind=kind.value, label=label, url=url, why_not=refusal, tone=tone)


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
    "pending": "Queued",
    "running": "Processing",
    "done": "Done",
    "failed": "Failed",
}


@register.filter
def action_state(action: ActionFacts) -> str:
    if action.is_canceled:
        return "Canceled"
    if action.is_planned:
        return "Scheduled"
    if action.is_unfinished and action.attempts and action.error:
        return "Retrying soon"
    return _STATES[action.state]


@register.filter
def action_tone(action: ActionFacts) -> str:
    tones = {"done": "good", "failed": "bad", "canceled": ""}
    return tones.get(action.state, "warn")


_OLDER = (
    " Its first renewal invoice bills all usage of the open period. If older usage was"
    " already paid for elsewhere, close the period manually first."
)

# What an action does, shown above its form.
_LEADS = {
    Kind.CREATE_CUSTOMER: "Creates a Stripe customer with this organization's name and"
    " IDs.",
    Kind.LINK_CUSTOMER: "Links an existing Stripe customer to this organization and"
    " imports its subscriptions and invoices." + _OLDER,
    Kind.UNLINK_CUSTOMER: "For a customer that was deleted in Stripe. Orgdesk checks"
    " Stripe once more, then removes the link so that you can create or link another"
    " customer. Imported subscriptions and invoices are kept.",
    Kind.START: "The subscription starts now. Without a trial, the first invoice is"
    " created immediately." + _OLDER,
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
    Kind.PAYMENT_LINK: "Stripe emails the open invoice with a payment link. For an"
    " invoice that Stripe charges automatically, you get a link to pass on.",
}


@register.filter
def action_lead(kind: str) -> str:
    return _LEADS[Kind(kind)]
