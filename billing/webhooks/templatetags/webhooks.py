"""Template tags of webhook endpoints and deliveries."""

from django import template
from django.utils.safestring import SafeString

from billing.models import WebhookDelivery, WebhookEndpoint
from billing.webhooks.event_types import ALL
from orgs.web.templatetags.components import badge

register = template.Library()
_State = WebhookDelivery.State
_BADGES = {
    _State.PENDING: ("Waiting", ""),
    _State.RUNNING: ("Sending", ""),
    _State.DONE: ("Delivered", "good"),
    _State.FAILED: ("Failed", "bad"),
    _State.CANCELED: ("Canceled", ""),
}


@register.simple_tag
def delivery_badge(delivery: WebhookDelivery) -> SafeString:
    """Render the state of a delivery; one that is tried again is marked."""
    if delivery.state == _State.PENDING and delivery.attempts:
        return badge("Retrying", "warn")
    return badge(*_BADGES[_State(delivery.state)])


@register.simple_tag
def endpoint_badge(endpoint: WebhookEndpoint) -> SafeString:
    """Render whether events are sent to an endpoint, and whether it accepts them."""
    if not endpoint.is_enabled:
        is_fault = endpoint.disabled_because != WebhookEndpoint.DisabledBecause.PERSON
        return badge("Disabled", "bad" if is_fault else "")
    return badge("Failing", "warn") if endpoint.is_failing else badge("Enabled", "good")


@register.filter
def types_text(endpoint: WebhookEndpoint) -> str:
    """Return the event types of an endpoint, as a short text."""
    if ALL in endpoint.event_types:
        return "All event types"
    first, rest = endpoint.event_types[0], len(endpoint.event_types) - 1
    return f"{first} and {rest} more" if rest else first
