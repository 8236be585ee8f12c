"""Responses with a file: of rows that are read now, and of an export."""

from collections.abc import Callable, Iterator
from http import HTTPStatus

from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from billing.exports.queries.contents import Content
from billing.exports.queries.downloads import Download, Format
from billing.exports.queries.manifests import Digest, build_manifest
from billing.exports.queries.stored_files import iterate_csv
from billing.exports.schemas.archives import (
    MANIFEST_NAME,
    Archive,
    StoredArchive,
    manifest_json,
)
from billing.models import Export
from orgs.errors import Conflict, DomainError
from orgs.web.http import matches_tag

CSV_TYPE = "text/csv; charset=utf-8"
ZIP_TYPE = "application/zip"
JSON_TYPE = "application/json"


class Expired(DomainError):
    """The file of an export was deleted because of its age."""

    status = HTTPStatus.GONE
    code = "export_expired"


def send(download: Download, content: Content, kind: Format) -> HttpResponseBase:
    """Return the file, its manifest, or both; no cache keeps it."""
    response, name = _SENDERS[kind](download, content)
    response["Cache-Control"] = "private, no-store"
    return _attach(response, name)


def _attach(response: HttpResponseBase, name: str) -> HttpResponseBase:
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


_Named = tuple[HttpResponseBase, str]


def _send_csv(download: Download, content: Content) -> _Named:
    response = StreamingHttpResponse(content.parts, content_type=CSV_TYPE)
    return response, download.file_name


def _send_manifest(download: Download, content: Content) -> _Named:
    """Return the manifest alone; its digest needs the whole file first."""
    digest = Digest()
    for _ in digest.pass_through(content.parts):
        pass
    manifest = build_manifest(download, rows=content.rows.count, digest=digest)
    response = HttpResponse(manifest_json(manifest), content_type=JSON_TYPE)
    return response, _manifest_name(download.file_name)


def _send_archive(download: Download, content: Content) -> _Named:
    digest, archive = Digest(), Archive()
    archive.add(download.file_name, digest.pass_through(content.parts))
    manifest = build_manifest(download, rows=content.rows.count, digest=digest)
    archive.add(MANIFEST_NAME, [manifest_json(manifest)])
    response = FileResponse(archive.finish(), content_type=ZIP_TYPE)
    return response, _archive_name(download.file_name)


_SENDERS: dict[Format, Callable[[Download, Content], _Named]] = {
    Format.CSV: _send_csv,
    Format.MANIFEST: _send_manifest,
    Format.ZIP: _send_archive,
}


def _manifest_name(file_name: str) -> str:
    return f"{file_name}.{MANIFEST_NAME}"


def _archive_name(file_name: str) -> str:
    return f"{file_name.removesuffix('.csv')}.zip"


# --- exports -------------------------------------------------------------------------


def send_export(
    export: Export, kind: Format, *, if_none_match: str = ""
) -> HttpResponseBase:
    """Return the file of an export, or 304 if the client has it already.

    Raises `Expired`, and `Conflict` while the export is not ready. The file never
    changes, so clients may keep it, but have to ask at each use.
    """
    _require_file(export)
    tag = f'"{export.sha256}-{kind.value}"'
    if matches_tag(if_none_match, tag):
        response: HttpResponseBase = HttpResponse(status=HTTPStatus.NOT_MODIFIED)
        del response["Content-Type"]
    else:
        response = _stored(export, kind)
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    return response


def _require_file(export: Export) -> None:
    if export.state != Export.State.DONE:
        message = f"The export is {export.get_state_display().lower()}; it has no file."
        raise Conflict(message, code="export_not_ready")
    if not export.is_ready or not export.stored_size:
        raise Expired("The file has expired. Export the table again.")


def _stored(export: Export, kind: Format) -> HttpResponseBase:
    if kind is Format.MANIFEST:
        text = manifest_json(export.manifest or {})
        response = HttpResponse(text, content_type=JSON_TYPE)
        return _attach(response, _manifest_name(export.file_name))
    if kind is Format.CSV:
        return _stream(iterate_csv(export), CSV_TYPE, export.file_name, export.size)
    archive = StoredArchive(export)
    name = _archive_name(export.file_name)
    return _stream(archive.parts(), ZIP_TYPE, name, archive.length)


def _stream(
    parts: Iterator[bytes], content_type: str, name: str, length: int
) -> HttpResponseBase:
    """Return a file of a known length: one that ends before is seen as not whole."""
    response = StreamingHttpResponse(parts, content_type=content_type)
    response["Content-Length"] = str(length)
    return _attach(response, name)
