"""Requests of large exports: starting, canceling, and deleting them."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from billing.exports.queries.downloads import Download
from billing.exports.queries.exports import owned_by
from billing.exports.queries.tables import Owner
from billing.models import Export, ExportPart
from orgs.commands import work
from orgs.errors import Conflict
from orgs.models import ApiKey, User

MAX_UNFINISHED = 3  # of one person or API key
_ENQUEUED_WITHIN = timedelta(minutes=1)  # after that a sweep enqueues it again


@transaction.atomic
def start_export(owner: Owner, download: Download) -> Export:
    """Create an export, or return the unfinished one of the same rows.

    The caller enqueues its task. Raises `Conflict` if the owner has too many unfinished
    ones.
    """
    _lock_owner(owner)  # or two requests at the same time would both be the last one
    unfinished = Export.objects.unfinished().filter(owned_by(owner))
    for export in unfinished:
        if _is_same(export, download):
            return export
    if len(unfinished) >= MAX_UNFINISHED:
        raise Conflict(
            f"You have {MAX_UNFINISHED} unfinished exports. Cancel one, or wait until"
            " one is ready.",
            code="too_many_exports",
        )
    return _create(owner, download)


def _lock_owner(owner: Owner) -> None:
    if owner.key_id is not None:
        ApiKey.objects.select_for_update(no_key=True).get(pk=owner.key_id)
    if owner.user_id is not None:
        User.objects.select_for_update(no_key=True).get(pk=owner.user_id)


def _is_same(export: Export, download: Download) -> bool:
    return (
        export.file_name == download.file_name
        and export.query == download.parameters
        and export.is_for_excel == download.for_excel
        and export.white_label_ids == download.selection.white_label_ids
    )


def _create(owner: Owner, download: Download) -> Export:
    selection = download.selection
    return Export.objects.create(
        user_id=owner.user_id,
        api_key_id=owner.key_id,
        organization=selection.organization,
        white_label_ids=selection.white_label_ids,
        table=download.table.slug,
        title=download.table.title,
        file_name=download.file_name,
        query=download.parameters,
        is_for_excel=download.for_excel,
        created_at=selection.now,
        sweep_after=timezone.now() + _ENQUEUED_WITHIN,
    )


@transaction.atomic
def cancel_export(export: Export) -> None:
    """Cancel an unfinished export and delete what is written of it.

    Raises `Conflict` if it has ended. A worker that writes a part at this moment
    finishes the part first; it then finds its lease lost.
    """
    canceled = work.cancel(
        Export.objects.filter(pk=export.pk), reason="Canceled by its owner."
    )
    if not canceled:
        raise Conflict("The export has already ended.", code="export_ended")
    ExportPart.objects.filter(export=export).delete()


@transaction.atomic
def delete_export(export: Export) -> None:
    """Delete an export that has ended, with its file.

    Raises `Conflict` while it is being written: cancel it first.
    """
    ended = Export.objects.exclude(pk__in=Export.objects.unfinished())
    if not ended.select_for_update().filter(pk=export.pk).exists():
        message = "The export is being written. Cancel it first."
        raise Conflict(message, code="export_unfinished")
    ExportPart.objects.filter(export=export).delete()
    export.delete()


@transaction.atomic
def discard_export(export: Export) -> None:
    """Cancel an export if it is unfinished, and delete it with its file."""
    work.cancel(Export.objects.filter(pk=export.pk), reason="Deleted by its owner.")
    ExportPart.objects.filter(export=export).delete()
    export.delete()
