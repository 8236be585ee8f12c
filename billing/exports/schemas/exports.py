"""Schemas of tables and exports in the API."""

from typing import Any
from urllib.parse import parse_qsl

from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.exports.queries.downloads import Format
from billing.exports.queries.tables import Level, Table
from billing.models import Export
from orgs.schemas.exports import CsvIn, csv_answer

_FORMATS = ", ".join(f"`{kind}`" for kind in Format)
URL = "/api/v1/exports"


class TableFileIn(CsvIn):
    """The kind of file; a table also takes its own parameters."""

    format: str = Field(
        Format.CSV.value,
        max_length=10,
        description=f"One of {_FORMATS}: the table, the table with its manifest, or"
        " the manifest alone.",
    )


class ExportFileIn(Schema):
    """The kind of file of an export."""

    format: str = Field(
        Format.ZIP.value,
        max_length=10,
        description=f"One of {_FORMATS}.",
    )


class TableOut(Schema):
    """A table that can be downloaded."""

    slug: str = Field(description="The name of the table in addresses.")
    title: str = Field(description="The name for people.")
    scope: str = Field(description="The scope that reading it requires.")
    of: list[Level] = Field(
        description="`organization` if it exists for one, `fleet` for all together."
    )
    parameters: list[str] = Field(description="Its own parameters.")
    columns: list[str] = Field(description="The columns of the file, in their order.")


class TablesOut(Schema):
    """All tables that can be downloaded."""

    tables: list[TableOut] = Field(description="In alphabetical order.")


class ExportOut(Schema):
    """A large table that is, or will be, a file."""

    id: int = Field(description="The ID of the export.")
    table: str = Field(description="The name of the table.")
    organization_id: int | None = Field(description="Whose rows it has; null: all.")
    parameters: dict[str, str] = Field(description="The parameters of the table.")
    is_for_excel: bool = Field(description="Whether it was asked for with `for=excel`.")
    state: str = Field(
        description="`pending`, `running`, `done`, `failed`, `canceled`, or `expired`."
    )
    rows_total: int | None = Field(
        description="The number of rows to read; null while it is not known."
    )
    rows_done: int = Field(description="The number of rows that were read.")
    rows: int = Field(
        description="The number of rows in the file; without those that were deleted"
        " before they were read."
    )
    bytes: int = Field(description="The size of the CSV file.")
    sha256: str | None = Field(description="The SHA-256 of the CSV file; null before.")
    created_at: AwareDatetime = Field(description="When it was requested.")
    finished_at: AwareDatetime | None = Field(description="When it ended.")
    expires_at: AwareDatetime | None = Field(description="When its file is deleted.")
    error_code: str | None = Field(description="Why it failed; null if it did not.")
    error: str | None = Field(description="The same as a text for people.")
    url: str = Field(description="The address of the export.")
    file_url: str | None = Field(description="The address of its file; null before.")


class ExportsOut(Schema):
    """The exports of a caller."""

    exports: list[ExportOut] = Field(description="The latest 100, the newest first.")


class ManifestRangeOut(Schema):
    """The instants of a range; null at an end without a bound."""

    from_: AwareDatetime | None = Field(alias="from", description="The first instant.")
    to: AwareDatetime | None = Field(description="The first instant after it.")


class ManifestOut(Schema):
    """What is in a downloaded file, and how to check that it is whole."""

    file: str = Field(description="The name of the CSV file.")
    table: str = Field(description="The name of the table.")
    title: str = Field(description="The name for people.")
    created_at: AwareDatetime = Field(description="When the rows were read.")
    time_zone: str = Field(description="The time zone in which days start.")
    range: ManifestRangeOut = Field(description="The range of the rows.")
    compared_range: ManifestRangeOut | None = Field(
        description="What a difference is against; null for other tables."
    )
    currencies: list[str] = Field(description="The currencies of the white labels.")
    amounts: str = Field(description="Whether amounts are final or may still change.")
    organization_id: int | None = Field(
        description="The organization that the rows are of; null for all."
    )
    white_labels: list[str] = Field(description="The slugs of the white labels.")
    parameters: dict[str, str] = Field(description="The parameters of the table.")
    columns: list[str] = Field(description="The columns of the file, in their order.")
    rows: int = Field(description="The number of rows, without the header.")
    bytes: int = Field(description="The size of the CSV file.")
    sha256: str = Field(description="The SHA-256 of the CSV file.")
    for_: str | None = Field(alias="for", description="`excel`, or null for programs.")


_ARCHIVE = {
    "x-name": "ArchiveFile",
    "type": "string",
    "contentMediaType": "application/zip",
    "contentEncoding": "binary",
    "description": "A ZIP archive with the CSV file and `manifest.json`.",
    "examples": ["PK"],
}
_CSV_EXAMPLE = (
    "day,product,meter,quantity,cost\r\n2026-11-05,gpt-4o,prompt_tokens,800,0.002\r\n"
)


def _schema_of(model: type[Schema]) -> dict[str, Any]:
    return model.model_json_schema(
        ref_template="#/components/schemas/{model}", mode="serialization"
    )


def files_answer() -> dict[str, Any]:
    """Return the documentation of an answer with a table as CSV, ZIP, or manifest."""
    answer = csv_answer(_CSV_EXAMPLE)
    manifest = {"x-name": "ManifestOut", **_schema_of(ManifestOut)}
    answer["responses"][200]["content"] |= {
        "application/zip": {"schema": _ARCHIVE},
        "application/json": {"schema": manifest},
    }
    return answer


def table_out(table: Table) -> dict[str, Any]:
    """Return a table as the API describes it."""
    return {
        "slug": table.slug,
        "title": table.title,
        "scope": table.scope,
        "of": sorted(table.levels),
        "parameters": sorted(table.parameters),
        "columns": list(table.columns),
    }


def export_out(export: Export) -> dict[str, Any]:
    """Return an export as the API describes it."""
    url = f"{URL}/{export.pk}"
    return {
        "id": export.pk,
        "table": export.table,
        "organization_id": export.organization_id,
        "parameters": dict(parse_qsl(export.query)),
        "is_for_excel": export.is_for_excel,
        "state": "expired" if export.is_expired else export.state,
        "rows_total": export.rows_total,
        "rows_done": export.rows_done,
        "rows": export.rows,
        "bytes": export.size,
        "sha256": export.sha256 or None,
        "created_at": export.created_at,
        "finished_at": export.finished_at,
        "expires_at": export.expires_at,
        "error_code": export.error_code or None,
        "error": export.error or None,
        "url": url,
        "file_url": f"{url}/file" if export.is_ready else None,
    }
