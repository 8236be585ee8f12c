"""The loop of a sender: it claims due deliveries and sends them in threads."""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from billing.models import WebhookDelivery
from billing.webhooks.commands.sending.outcomes import record_outcome
from billing.webhooks.formats.requests import DeliveryRequest, build_request
from billing.webhooks.queries.due import list_due_deliveries
from orgs.commands import work
from orgs.errors import SecretUnreadable
from orgs.outbound import Answer, Target, send

DEADLINE_SECONDS = 10.0  # of one request, its name's lookup included
THREADS = 32
_MAX_SECONDS = 45  # then the worker is free for other tasks; the sweep continues
_POLL_SECONDS = 0.25  # how soon new deliveries are seen while others are on their way
Disabled = Callable[[int], None]


@dataclass(slots=True)
class _Sender:
    """The requests that are on their way, and what each is for."""

    pool: ThreadPoolExecutor
    on_disabled: Disabled
    sending: dict[Future[Answer], tuple[WebhookDelivery, DeliveryRequest]] = field(
        default_factory=dict
    )

    def start_due(self) -> None:
        """Claim deliveries for free threads, and start their requests."""
        free = THREADS - len(self.sending)
        for delivery in _claim(free) if free else ():
            self._start(delivery)

    def _start(self, delivery: WebhookDelivery) -> None:
        if delivery.is_exhausted:
            message = "The worker of the last attempt ended without an outcome."
            work.fail(delivery, code="exhausted", message=message)
            return
        try:
            request = build_request(
                delivery.endpoint, delivery.event, now=timezone.now()
            )
        except SecretUnreadable as error:
            work.fail(delivery, code="secret_unreadable", message=str(error))
            return
        target = Target(request.url, deadline=DEADLINE_SECONDS)
        future = self.pool.submit(send, target, request.body, request.headers)
        self.sending[future] = (delivery, request)

    def finish_some(self) -> None:
        """Write the outcomes of requests that ended; wait a moment for the first."""
        ended, _ = wait(self.sending, _POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in ended:
            delivery, request = self.sending.pop(future)
            if record_outcome(delivery, request, future.result()):
                self.on_disabled(delivery.endpoint_id)


def run(on_disabled: Disabled) -> None:
    """Send due deliveries until none is due, for 45 seconds at most.

    `on_disabled` is called with each endpoint that was disabled because of a failure.
    Call it outside transactions, in one worker at a time: two would send each delivery
    once, but more at a time to an endpoint than is intended.
    """
    end = time.monotonic() + _MAX_SECONDS
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as pool:
        sender = _Sender(pool, on_disabled)
        sender.start_due()
        while sender.sending:
            sender.finish_some()
            if time.monotonic() < end:
                sender.start_due()


@transaction.atomic
def _claim(limit: int) -> list[WebhookDelivery]:
    """Claim due deliveries under leases; skip rows that another worker has locked."""
    ids = [due.id for due in list_due_deliveries(limit)]
    if not ids:
        return []
    rows = WebhookDelivery.objects.filter(pk__in=ids).order_by("pk")
    locked = rows.select_for_update(skip_locked=True).values_list("pk", flat=True)
    deliveries = WebhookDelivery.objects.select_related("endpoint", "event")
    return work.claim_all(deliveries, list(locked))
