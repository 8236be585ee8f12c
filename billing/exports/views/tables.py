"""Download of a table as CSV, with its manifest if asked for."""

from collections.abc import Iterator
from typing import Any

from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from billing.exports.forms import Download, Format, read_download
from billing.exports.queries.contents import (
    Counted,
    encode,
    iterate_table,
    list_keys,
)
from billing.exports.queries.manifests import Digest, build_manifest, file_name
from billing.exports.schemas import MANIFEST_NAME, Archive, manifest_json
from orgs.web.http import OrgRequest

CSV_TYPE = "text/csv; charset=utf-8"


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


def _download(
    request: OrgRequest, slug: str, organization_id: int | None
) -> HttpResponseBase:
    """Send the file, its manifest, or both."""
    download = read_download(request.user, slug, organization_id, request.GET)
    keys = list_keys(download.table, download.selection)
    rows = Counted(iterate_table(download.table, download.selection, keys))
    return _SENDERS[download.format](download, rows)


def _stream(download: Download, rows: Counted) -> HttpResponseBase:
    parts = _encode(download, rows)
    response = StreamingHttpResponse(parts, content_type=CSV_TYPE)
    return attach(response, _name(download))


def _send_manifest(download: Download, rows: Counted) -> HttpResponseBase:
    """Return the manifest alone; its digest needs the whole file first."""
    digest = Digest()
    for _ in digest.pass_through(_encode(download, rows)):
        pass
    content = manifest_json(_manifest(download, rows.count, digest))
    response = HttpResponse(content, content_type="application/json")
    return attach(response, f"{_name(download)}.{MANIFEST_NAME}")


def _send_archive(download: Download, rows: Counted) -> HttpResponseBase:
    """Return the file and its manifest in an archive."""
    digest, archive = Digest(), Archive()
    archive.add(_name(download), digest.pass_through(_encode(download, rows)))
    manifest = _manifest(download, rows.count, digest)
    archive.add(MANIFEST_NAME, [manifest_json(manifest)])
    return attach_archive(archive, _name(download))


_SENDERS = {
    Format.CSV: _stream,
    Format.MANIFEST: _send_manifest,
    Format.ZIP: _send_archive,
}


def _encode(download: Download, rows: Counted) -> Iterator[bytes]:
    return encode(download.table, rows, for_excel=download.for_excel)


def _name(download: Download) -> str:
    return file_name(download.table, download.selection)


def _manifest(download: Download, rows: int, digest: Digest) -> dict[str, Any]:
    return build_manifest(
        download.table,
        download.selection,
        rows=rows,
        digest=digest,
        for_excel=download.for_excel,
    )


def attach(response: HttpResponseBase, name: str) -> HttpResponseBase:
    """Return the response as a file that no cache keeps."""
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


def attach_archive(archive: Archive, csv_name: str) -> HttpResponseBase:
    """Return the archive of a CSV file, named after it."""
    response = FileResponse(archive.finish(), content_type="application/zip")
    return attach(response, f"{csv_name.removesuffix('.csv')}.zip")
