"""The lines of a list of new organizations, each read or refused with a sentence."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import orjson

from orgs.commands.organizations import IncomingOrganization
from orgs.errors import InputRejected
from orgs.schemas.organization_lines import parse_organization
from orgs.web.pasted import PastedRow

COLUMNS = ("external_id", "name", "billing_email", "contract_started_on")


@dataclass(frozen=True, slots=True)
class OrganizationLine:
    """A line: its cells by column, and the organization, or why it cannot be added."""

    number: int
    texts: dict[str, str]
    organization: IncomingOrganization | None
    error: str = ""


def read_lines(
    rows: Sequence[PastedRow], used: Collection[str]
) -> list[OrganizationLine]:
    """Return the lines, given the external IDs that are in use."""
    return list(_read(rows, set(used)))


def external_ids_in(rows: Sequence[PastedRow]) -> set[str]:
    """Return the external IDs that the lines name."""
    return {texts["external_id"] for _, texts in _texts(rows)}


def _read(rows: Sequence[PastedRow], seen: set[str]) -> Iterator[OrganizationLine]:
    for number, texts in _texts(rows):
        line = _read_line(number, texts)
        if line.organization and line.organization.external_id in seen:
            error = "An organization has this external ID, or it is twice in the list."
            line = OrganizationLine(number, texts, None, error)
        elif line.organization:
            seen.add(line.organization.external_id)
        yield line


def _texts(rows: Sequence[PastedRow]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line numbers and cells by column; the first line may name the columns."""
    columns = _header(rows[0])
    for row in rows[1:] if columns else rows:
        cells = dict(zip(columns or COLUMNS, row.cells, strict=False))
        extra = len(row.cells) > len(columns or COLUMNS)
        texts = dict.fromkeys(COLUMNS, "") | cells | ({"extra": ""} if extra else {})
        yield row.number, texts


def _header(row: PastedRow) -> tuple[str, ...]:
    names = tuple(cell.lower().replace(" ", "_") for cell in row.cells)
    return names if "external_id" in names else ()


def _read_line(number: int, texts: dict[str, str]) -> OrganizationLine:
    if unknown := texts.keys() - set(COLUMNS):
        error = f"Unknown columns; accepted are {', '.join(COLUMNS)}."
        error = "The line has too many cells." if "extra" in unknown else error
        return OrganizationLine(number, texts, None, error)
    given = {"name": texts["external_id"]}
    given |= {name: text for name, text in texts.items() if text}
    try:
        return OrganizationLine(number, texts, parse_organization(orjson.dumps(given)))
    except InputRejected as error:
        return OrganizationLine(number, texts, None, str(error))
