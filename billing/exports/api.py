"""API endpoints of tables as CSV, and of large exports."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Status
from ninja.responses import Response

from billing.exports.commands.requests import discard_export, start_export
from billing.exports.forms import (
    Caller,
    caller_by,
    read_download,
    read_format,
    require_file,
)
from billing.exports.queries.contents import read_content
from billing.exports.queries.downloads import Download
from billing.exports.queries.exports import get_export, list_exports
from billing.exports.queries.registry import TABLES, get_table
from billing.exports.queries.tables import Level
from billing.exports.schemas.exports import (
    ExportFileIn,
    ExportOut,
    ExportsOut,
    TableFileIn,
    TablesOut,
    export_out,
    files_answer,
    table_out,
)
from billing.exports.schemas.responses import send, send_export
from billing.exports.tasks import write_export
from billing.models import Export
from orgs import access
from orgs.access import Credential, row_id
from orgs.access.own_requests import require_own_request
from orgs.catalog import Scope
from orgs.queue.enqueue import enqueue
from orgs.schemas.errors import ErrorsOut

router = Router(tags=["exports"])
_READS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)
_RETRY_AFTER = "2"  # seconds


@router.get("/tables", response={200: TablesOut, **_READS}, summary="List tables")
def list_tables(request: HttpRequest) -> Any:
    """Return the tables that can be downloaded as CSV, also those of other scopes."""
    _caller(request)
    return {"tables": [table_out(TABLES[slug]) for slug in sorted(TABLES)]}


@router.get(
    "/tables/{table}.csv",
    response={200: None, 202: ExportOut, **_READS, 409: ErrorsOut},
    summary="Export a table of all organizations as CSV",
    auth=Credential(checks_parameters=False),  # a table has its own
    openapi_extra=files_answer(),
    operation_id="export_fleet_table",
)
def fleet_table(request: HttpRequest, table: str, file: Query[TableFileIn]) -> Any:
    """Return a table with the rows of all organizations that the caller may see.

    Up to 50,000 rows are sent at once. More become an export: the answer is a 202 with
    its address in `Location`. The parameters are those of the table.
    """
    scope = get_table(table, Level.FLEET).scope
    caller = caller_by(access.caller(request, scope))
    return _send(request, caller, table, None, file)


@router.get(
    "/organizations/{organization_id}/tables/{table}.csv",
    response={200: None, 202: ExportOut, **_READS, 409: ErrorsOut},
    summary="Export a table of an organization as CSV",
    auth=Credential(checks_parameters=False),
    openapi_extra=files_answer(),
    operation_id="export_organization_table",
)
def organization_table(
    request: HttpRequest, organization_id: str, table: str, file: Query[TableFileIn]
) -> Any:
    """Return a table with the rows of one organization.

    Up to 50,000 rows are sent at once. More become an export: the answer is a 202 with
    its address in `Location`. The parameters are those of the table.
    """
    scope = get_table(table, Level.ORGANIZATION).scope
    organization = access.called_organization(request, organization_id, scope)
    caller = caller_by(access.principal(request))
    return _send(request, caller, table, organization.pk, file)


def _send(
    request: HttpRequest,
    caller: Caller,
    table: str,
    organization_id: int | None,
    file: TableFileIn,
) -> Any:
    kind = read_format(file.format)
    download = read_download(caller, table, organization_id, request.GET)
    content = read_content(download)
    if content is None:
        require_own_request(request)
        return _start(caller, download)
    return send(download, content, kind)


def _start(caller: Caller, download: Download) -> Response:
    export = start_export(caller.owner, download)
    enqueue(write_export, export.pk)
    body = export_out(export)
    headers = {"Location": body["url"], "Retry-After": _RETRY_AFTER}
    return Response(body, status=HTTPStatus.ACCEPTED, headers=headers)


@router.get(
    "/exports",
    response={200: ExportsOut, **_READS},
    summary="List your exports",
    operation_id="list_exports",
)
def read_exports(request: HttpRequest) -> Any:
    """Return the exports that this key or person requested."""
    caller = _caller(request)
    rows = list_exports(caller.owner, caller.visible_ids())
    return {"exports": [export_out(row) for row in rows]}


@router.get(
    "/exports/{export_id}",
    response={200: ExportOut, **_READS},
    summary="Retrieve an export and its progress",
    operation_id="get_export",
)
def read_export(request: HttpRequest, export_id: str) -> Any:
    """Return an export; another caller's is not found."""
    return export_out(_find(_caller(request), export_id))


@router.get(
    "/exports/{export_id}/file",
    response={200: None, 304: None, **_READS, 409: ErrorsOut, 410: ErrorsOut},
    summary="Download the file of an export",
    openapi_extra=files_answer(),
    operation_id="download_export",
)
def read_file(request: HttpRequest, export_id: str, file: Query[ExportFileIn]) -> Any:
    """Return the file, by default in an archive with its manifest.

    It carries an entity tag; with `If-None-Match` an unchanged file is a 304. Before it
    is ready the answer is a 409, after it has expired a 410.
    """
    caller = _caller(request)
    export = _find(caller, export_id)
    require_file(caller, export)
    tags = request.headers.get("If-None-Match", "")
    return send_export(export, read_format(file.format), if_none_match=tags)


@router.delete(
    "/exports/{export_id}",
    response={204: None, **_READS},
    summary="Cancel and delete an export",
)
def delete_export(request: HttpRequest, export_id: str) -> Any:
    """Cancel an export if it is unfinished, and delete it with its file."""
    discard_export(_find(_caller(request), export_id))
    return Status(HTTPStatus.NO_CONTENT, None)


def _caller(request: HttpRequest) -> Caller:
    """Return the caller, who needs the scope of any table, and count the call."""
    has_billing = Scope.BILLING_READ in access.principal(request).scopes
    scope = Scope.BILLING_READ if has_billing else Scope.ORGANIZATIONS_READ
    return caller_by(access.caller(request, scope))


def _find(caller: Caller, export_id: str) -> Export:
    return get_export(caller.owner, caller.visible_ids(), row_id(export_id))
