"""Where Stripe tells us that something happened; what did, we ask for ourselves."""

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
from billing.stripe.commands.webhook_events import receiving
from orgs.queue.enqueue import enqueue

logger = logging.getLogger(__name__)
_LONGEST = 1_048_576  # Stripe's are some kilobytes


@csrf_exempt  # signed instead
@require_POST
@transaction.non_atomic_requests  # the row is there before we say so
def stripe(request: HttpRequest) -> HttpResponse:
    """2xx once the event is safe in the inbox; anything else, and it comes again."""
    secrets = [text.strip() for text in settings.STRIPE_WEBHOOK_SECRET if text.strip()]
    if not secrets:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    if _length(request) > _LONGEST:
        return HttpResponse(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        event = _verified(request, secrets)
    except (gateway.BadSignature, gateway.Malformed) as error:
        logger.warning("webhook_refused code=%s %s", error.code, error)
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    if (id_ := receiving.receive(event)) is not None:
        enqueue(tasks.handle_event, id_)
    return HttpResponse(status=HTTPStatus.OK)


def _length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isascii() and text.isdigit() else 0


def _verified(request: HttpRequest, secrets: list[str]) -> gateway.Event:
    header = request.headers.get("Stripe-Signature", "")
    gateway.verify(request.body, header, secrets, timezone.now())
    return gateway.read_event(request.body)
