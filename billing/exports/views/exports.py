"""Pages of large exports: the list of a person, the progress, and the file."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from billing.exports.commands.requests import (
    cancel_export,
    delete_export,
    start_export,
)
from billing.exports.forms import (
    Caller,
    caller_of,
    read_again,
    read_format,
    require_file,
)
from billing.exports.queries.downloads import Format
from billing.exports.queries.exports import MAX_LISTED, get_export, list_exports
from billing.exports.schemas.responses import send_export
from billing.exports.tasks import write_export
from billing.models import Export
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment

_LIST = "billing/exports/exports.html", "billing/exports/_exports.html"
_PAGE = "billing/exports/export.html", "billing/exports/_export.html"


@require_GET
def exports(request: OrgRequest) -> HttpResponse:
    """List the latest exports of the person; the list polls while one is unfinished."""
    caller = caller_of(request.user)
    rows = list_exports(caller.owner, caller.visible_ids())
    is_unfinished = any(row.is_unfinished for row in rows)
    context = {
        **_context(request),
        "rows": rows,
        "most": MAX_LISTED,
        "poll_url": reverse("billing:exports") if is_unfinished else "",
    }
    return page_or_fragment(request, *_LIST, context)


@require_GET
def export(request: OrgRequest, export_id: int) -> HttpResponse:
    """Show an export; its part of the page polls this view while it is unfinished."""
    row = _find(caller_of(request.user), export_id)
    poll_url = reverse("billing:export", args=[row.pk]) if row.is_unfinished else ""
    context = {**_context(request), "row": row, "poll_url": poll_url}
    return page_or_fragment(request, *_PAGE, context)


@require_GET
def export_file(request: OrgRequest, export_id: int) -> HttpResponseBase:
    """Return the file and its manifest in an archive, or one of them by `format`."""
    caller = caller_of(request.user)
    row = _find(caller, export_id)
    require_file(caller, row)
    kind = read_format(request.GET.get("format", ""), default=Format.ZIP)
    tags = request.headers.get("If-None-Match", "")
    return send_export(row, kind, if_none_match=tags)


@require_POST
def cancel(request: OrgRequest, export_id: int) -> HttpResponse:
    """Cancel an unfinished export; *Export again* undoes it."""
    row = _find(caller_of(request.user), export_id)
    cancel_export(row)
    messages.success(request, f"Export canceled: {row.title}.")
    return redirect("billing:export", row.pk)


@require_POST
def delete(request: OrgRequest, export_id: int) -> HttpResponse:
    """Delete an export that has ended, with its file."""
    row = _find(caller_of(request.user), export_id)
    delete_export(row)
    messages.success(request, f"Export deleted: {row.title}.")
    return redirect("billing:exports")


@require_POST
def export_again(request: OrgRequest, export_id: int) -> HttpResponse:
    """Start an export of the same table and parameters, with the rows of today."""
    caller = caller_of(request.user)
    download = read_again(caller, _find(caller, export_id))
    again = start_export(caller.owner, download)
    enqueue(write_export, again.pk)
    return redirect("billing:export", again.pk)


def _find(caller: Caller, export_id: int) -> Export:
    return get_export(caller.owner, caller.visible_ids(), export_id)


def _context(request: OrgRequest) -> dict[str, Any]:
    label = request.user.white_label
    return {
        "nav_key": "exports",
        "now": timezone.now(),
        "zone": label.time_zone if label else "UTC",
    }
