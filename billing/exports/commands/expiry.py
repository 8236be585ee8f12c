"""Expiry of exports: first their files are deleted, then their rows."""

from datetime import timedelta

from django.db import transaction

from billing.models import Export, ExportPart
from orgs.models.work import DatabaseClock

LISTED_FOR = timedelta(days=30)  # after the file of an export is gone
_AT_ONCE = 50  # exports in a transaction


def delete_expired(*, retention: timedelta) -> None:
    """Delete the files of exports that have expired, and exports of long ago."""
    while _delete_files():
        pass
    before = DatabaseClock() - (retention + LISTED_FOR)
    Export.objects.filter(finished_at__lt=before).delete()


@transaction.atomic
def _delete_files() -> int:
    expired = Export.objects.filter(expires_at__lte=DatabaseClock(), stored_size__gt=0)
    ids = list(
        expired.select_for_update(skip_locked=True)
        .order_by("pk")
        .values_list("pk", flat=True)[:_AT_ONCE]
    )
    ExportPart.objects.filter(export__in=ids).delete()
    return Export.objects.filter(pk__in=ids).update(stored_size=0)
