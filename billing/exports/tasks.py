"""Celery tasks that write and delete large exports."""

from celery import shared_task
from django.conf import settings

from billing.exports.commands import expiry, writing
from billing.exports.forms import read_stored
from billing.models import Export
from orgs.commands.work import list_forgotten
from orgs.queue.enqueue import enqueue

_BATCH = 1_000


@shared_task
def write_export(export_id: int) -> None:
    """Continue an export; a long one takes several tasks and blocks no worker."""
    retention = settings.EXPORT_RETENTION
    if writing.advance(export_id, read_stored, retention=retention):
        enqueue(write_export, export_id)


@shared_task
def sweep_exports() -> None:
    """Enqueue exports that were not enqueued or whose worker died."""
    for export_id in list_forgotten(Export.objects.all(), _BATCH):
        enqueue(write_export, export_id)


@shared_task
def delete_expired_exports() -> None:
    """Delete the files of exports that have expired."""
    expiry.delete_expired(retention=settings.EXPORT_RETENTION)
