"""A permitted and valid request for a file."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode

from billing.exports.queries.tables import Selection, Table

# Parameters that every table takes, besides its own.
COMMON = frozenset({"for", "format"})
# What decides whose rows they are, and is not stored with an export.
_NOT_STORED = COMMON | {"includeDeleted"}


class Format(StrEnum):
    """The kinds of files: the table, both files in an archive, or the manifest."""

    CSV = "csv"
    ZIP = "zip"
    MANIFEST = "manifest"


@dataclass(frozen=True)
class Download:
    """A table of whose rows a file is made, for programs or for Excel."""

    table: Table
    selection: Selection
    for_excel: bool

    @property
    def file_name(self) -> str:
        """The name of the CSV file: the table, and the organization's ID."""
        organization = self.selection.organization
        number = f"-{organization.pk}" if organization else ""
        return f"{self.table.slug}{number}.csv"

    @property
    def parameters(self) -> str:
        """The table's own parameters as a query string, in alphabetical order."""
        given = sorted(self.selection.query.lists())
        pairs = [(name, text) for name, texts in given for text in texts if text]
        return urlencode(
            [(name, text) for name, text in pairs if name not in _NOT_STORED]
        )
