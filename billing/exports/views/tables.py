"""Download of a table as CSV, with its manifest if asked for."""

from http import HTTPStatus

from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from billing.exports.commands.requests import start_export
from billing.exports.forms import caller_of, read_download, read_format
from billing.exports.queries.contents import read_content
from billing.exports.schemas.responses import send
from billing.exports.tasks import write_export
from orgs.access.own_requests import require_own_request
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest


@require_GET
def organization_table(
    request: OrgRequest, organization_id: int, table: str
) -> HttpResponseBase:
    """Return a table of one organization."""
    return _download(request, table, organization_id)


@require_GET
def fleet_table(request: OrgRequest, table: str) -> HttpResponseBase:
    """Return a table of all organizations that the person may see."""
    return _download(request, table, None)


@require_GET
def organization_csv(request: OrgRequest) -> HttpResponseBase:
    """Return the organization list, with the filters and the sort of its page."""
    return _download(request, "organizations", None)


@require_GET
def needs_action_csv(request: OrgRequest) -> HttpResponseBase:
    """Return the reasons of the page Needs action, with its filters."""
    return _download(request, "needs-action", None)


@require_GET
def history_csv(
    request: OrgRequest, organization_id: int | None = None
) -> HttpResponseBase:
    """Return the changes of an organization or of all, filtered as on the page."""
    return _download(request, "history", organization_id)


def _download(
    request: OrgRequest, slug: str, organization_id: int | None
) -> HttpResponseBase:
    """Send the file, its manifest, or both.

    More rows than fit into an answer become an export: then its page is the answer.
    """
    caller = caller_of(request.user)
    download = read_download(caller, slug, organization_id, request.GET)
    kind = read_format(request.GET.get("format", ""))
    content = read_content(download)
    if content is not None:
        return send(download, content, kind)
    require_own_request(request)
    export = start_export(caller.owner, download)
    enqueue(write_export, export.pk)
    response = redirect("billing:export", export.pk)
    response.status_code = HTTPStatus.SEE_OTHER
    return response
