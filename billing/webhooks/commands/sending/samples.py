"""A test of an endpoint: a sample event, sent at once, with the endpoint's answer."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from billing.models import WebhookDelivery, WebhookEndpoint
from billing.webhooks.commands.outbox import write_test
from billing.webhooks.commands.sending.outcomes import record_outcome
from billing.webhooks.commands.sending.worker import DEADLINE_SECONDS
from billing.webhooks.formats.requests import build_request
from orgs.commands import work
from orgs.errors import SecretUnreadable
from orgs.outbound import Target, send
from orgs.outbound.slots import outbound_slot


def send_sample(
    endpoint: WebhookEndpoint, type_: str, data: Mapping[str, Any], *, by: str
) -> WebhookDelivery:
    """Send a sample event in this thread, also if the endpoint is disabled.

    Returns its delivery with what came of it. Takes ten seconds at most: call it
    outside transactions. Raises `OutboundBusy`, and then has written nothing.
    """
    with outbound_slot():
        delivery = write_test(endpoint, type_, data, by=by, now=timezone.now())
        _send(delivery)
    delivery.refresh_from_db()
    return delivery


def _send(delivery: WebhookDelivery) -> None:
    """Send a delivery, unless a worker has claimed it."""
    rows = WebhookDelivery.objects.select_related("endpoint", "event")
    claimed = work.claim(rows, delivery.pk)
    if claimed is None:
        return
    try:
        request = build_request(claimed.endpoint, claimed.event, now=timezone.now())
    except SecretUnreadable as error:
        work.fail(claimed, code="secret_unreadable", message=str(error))
        return
    target = Target(request.url, deadline=DEADLINE_SECONDS)
    record_outcome(claimed, request, send(target, request.body, request.headers))
