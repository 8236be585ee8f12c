"""The page of a delivery: its payload, each request and answer, and resending."""

import orjson
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from billing.webhooks.commands.replays import resend
from billing.webhooks.queries.endpoints import get_delivery, get_endpoint
from billing.webhooks.tasks import deliver_webhooks
from billing.webhooks.views.endpoints import blocked_reason, enter
from orgs.errors import Conflict
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/webhooks/delivery.html"


@require_GET
def webhook_delivery(request: OrgRequest, delivery_id: int) -> HttpResponse:
    """Show a delivery with its log."""
    principal = enter(request)
    delivery = get_delivery(principal, delivery_id)
    endpoint = get_endpoint(principal, delivery.endpoint_id)
    payload = orjson.loads(delivery.event.payload)
    context = {
        "delivery": delivery,
        "endpoint": endpoint,
        "payload": orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode(),
        "log": delivery.log.order_by("id"),
        "nav_key": "webhooks",
        "zone": endpoint.white_label.time_zone,
        "blocked_reason": blocked_reason(principal),
    }
    return page_or_fragment(request, _PAGE, _PAGE, context)


@require_POST
def resend_delivery(request: OrgRequest, delivery_id: int) -> HttpResponse:
    """Deliver the event again, and show the new delivery."""
    principal = enter(request, writes=True)
    delivery = get_delivery(principal, delivery_id)
    try:
        resent = resend(delivery, by=principal.name)
    except Conflict as error:
        messages.error(request, error.message)
        return redirect("billing:webhook_delivery", delivery.pk)
    enqueue(deliver_webhooks)
    messages.success(request, "Delivery queued.")
    return redirect("billing:webhook_delivery", resent.pk)
