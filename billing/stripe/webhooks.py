"""The webhook that Stripe calls when an object changes.

An event only says which object changed: its handler reads the object from Stripe.
"""

import logging
from http import HTTPStatus

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing import gateway
from billing.stripe import tasks
from billing.stripe.commands.webhook_events import intake
from orgs.queue.enqueue import enqueue

logger = logging.getLogger(__name__)
_MAX_BYTES = 1_048_576  # the events of Stripe have a few kilobytes


@csrf_exempt  # the signature authenticates the request
@require_POST
@transaction.non_atomic_requests  # the row is committed before the response
def stripe(request: HttpRequest) -> HttpResponse:
    """Save a webhook event and enqueue its processing.

    Responds 200 once the event's row is committed, also for one that was received
    before. Stripe delivers the event again after any other status.
    """
    secrets = [text.strip() for text in settings.STRIPE_WEBHOOK_SECRET if text.strip()]
    if not secrets:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    if _content_length(request) > _MAX_BYTES:
        return HttpResponse(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        event = _read_verified_event(request, secrets)
    except (gateway.BadSignature, gateway.Malformed) as error:
        logger.warning("webhook_refused code=%s %s", error.code, error)
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    if (id_ := intake.receive(event)) is not None:
        enqueue(tasks.handle_event, id_)
    return HttpResponse(status=HTTPStatus.OK)


def _content_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isascii() and text.isdigit() else 0


def _read_verified_event(request: HttpRequest, secrets: list[str]) -> gateway.Event:
    """Return the event of the body; raises `BadSignature` or `Malformed`.

    Several secrets are accepted, so that a secret can be rotated without a gap.
    """
    header = request.headers.get("Stripe-Signature", "")
    gateway.verify(request.body, header, secrets, timezone.now())
    return gateway.read_event(request.body)
