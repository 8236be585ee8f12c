"""Deleting events that are older than the retention, with deliveries and log."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing.models import OutgoingEvent, WebhookDelivery

_BATCH = 1_000


@transaction.atomic
def delete_old_events() -> int:
    """Delete a batch of old events; return their number.

    An event that is still being delivered stays: a replay may have begun days ago.
    """
    oldest = timezone.now() - settings.WEBHOOK_RETENTION
    waiting = WebhookDelivery.objects.unfinished().values("event")
    rows = OutgoingEvent.objects.filter(occurred_at__lt=oldest)
    ids = list(
        rows.exclude(pk__in=waiting)
        .order_by("occurred_at")
        .values_list("pk", flat=True)[:_BATCH]
    )
    OutgoingEvent.objects.filter(pk__in=ids).delete()
    return len(ids)
