"""Forms of members and projects, and the lines that add many members at once."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from orgs.models import Member
from orgs.models.fields import validate_text
from orgs.models.people import MemberRole
from orgs.text import plain_lines
from orgs.web.edits import EditForm

MAX_LINES, MAX_BYTES, MAX_LINE_LENGTH = 500, 256 << 10, 2_000
_COLUMNS = ("email", "name", "role", "external_id")
_ROLES = [(role.value, role.label) for role in MemberRole]


class _Text(forms.CharField):
    """A text without control characters."""

    default_validators = [validate_text]


class MemberForm(EditForm):
    """What is known of a member."""

    name = _Text(max_length=200, required=False)
    email = forms.EmailField(max_length=254, required=False)
    role = forms.ChoiceField(choices=_ROLES)
    is_staff = forms.BooleanField(required=False, label="Works for the organization")


class NewMemberForm(forms.Form):
    """A new member; the email address is the external ID unless another is given."""

    email = forms.EmailField(max_length=254)
    name = _Text(max_length=200, required=False)
    role = forms.ChoiceField(choices=_ROLES, initial=MemberRole.MEMBER)
    external_id = _Text(
        max_length=200,
        required=False,
        label="External ID",
        help_text="Your ID of the user; leave empty for the email address.",
    )
    sends_email = forms.BooleanField(
        required=False,
        label="Send an email that they were added",
        help_text="It names the organization and the role. Members log in to your own"
        " product, not here.",
    )

    @property
    def values(self) -> dict[str, Any]:
        """The columns of the member, without the external ID."""
        return {name: self.cleaned_data[name] for name in ("email", "name", "role")}

    @property
    def member_id(self) -> str:
        """The external ID of the member."""
        data = self.cleaned_data
        return str(data["external_id"] or data["email"])


class ProjectForm(EditForm):
    """The name of a project."""

    name = _Text(max_length=200)


class NewProjectForm(forms.Form):
    """A new project."""

    external_id = _Text(
        max_length=200, label="External ID", help_text="Usage events name it."
    )
    name = _Text(max_length=200, required=False)


@dataclass(frozen=True, slots=True)
class MemberLine:
    """A line of a list of members: its values, or why it cannot be added."""

    number: int
    external_id: str
    values: dict[str, str]
    error: str = ""


class MemberListForm(forms.Form):
    """Many members: pasted lines, or a CSV file; the first line may name the columns.

    Without it the columns are email, name, role, and external ID.
    """

    lines = forms.CharField(
        required=False,
        max_length=MAX_BYTES,
        strip=False,
        label="Lines",
        widget=forms.Textarea({"rows": 8, "spellcheck": "false"}),
        help_text="One member a line: email, name, role, external ID. Only the email is"
        " required. Columns are separated by commas, semicolons, or tabs.",
    )
    file = forms.FileField(required=False, label="Or a CSV file")
    skips_invalid = forms.BooleanField(
        required=False, label="Add the others if some lines cannot be added"
    )

    def clean_file(self) -> str:
        """Return the text of the file; raise `ValidationError` if it is not UTF-8."""
        file = self.cleaned_data["file"]
        if file is None:
            return ""
        if file.size > MAX_BYTES:
            raise forms.ValidationError("The file is too large: 256 KiB at most.")
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is not UTF-8 text.") from None

    def clean(self) -> dict[str, Any]:
        """Require lines, and not too many of them."""
        data = super().clean() or {}
        text = data.get("file") or data.get("lines") or ""
        data["text"] = text = plain_lines(text)
        if self.errors:
            return data
        if not text.strip():
            self.add_error("lines", "Enter a line, or choose a file.")
        elif sum(1 for line in text.splitlines() if line.strip()) > MAX_LINES + 1:
            self.add_error("lines", f"At most {MAX_LINES} lines at once.")
        elif max(map(len, text.splitlines())) > MAX_LINE_LENGTH:
            self.add_error("lines", "A line is too long.")
        return data

    def read(self, active: set[str]) -> list[MemberLine]:
        """Return the lines, given the external IDs that are in use."""
        lines, seen = [], set(active)
        for number, row in _rows(self.cleaned_data["text"]):
            line = _read_line(number, row, seen)
            seen.add(line.external_id)
            lines.append(line)
        return lines


def active_external_ids(organization_id: int) -> set[str]:
    """Return the external IDs of an organization's active members."""
    rows = Member.objects.filter(organization=organization_id, deleted_at=None)
    return set(rows.values_list("external_id", flat=True))


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line numbers and cells by column, without empty lines and the header."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=separator)
    columns: tuple[str, ...] = ()
    for cells in reader:
        row = [cell.strip() for cell in cells]
        if not any(row):
            continue
        if not columns:
            columns = _header(row) or _COLUMNS
            if _header(row):
                continue
        yield reader.line_num, dict(zip(columns, row, strict=False))


def _header(row: list[str]) -> tuple[str, ...]:
    """Return the columns that a first line names; none if it is a member."""
    names = tuple(cell.lower().replace(" ", "_") for cell in row)
    return names if "email" in names else ()


def _read_line(number: int, row: dict[str, str], seen: set[str]) -> MemberLine:
    email, name = row.get("email", ""), row.get("name", "")
    role = row.get("role", "").lower() or MemberRole.MEMBER.value
    external_id = row.get("external_id", "") or email
    values = {"email": email, "name": name, "role": role}
    error = _error(email, name, role, external_id)
    if not error and external_id in seen:
        error = "Already a member, or twice in the list."
    return MemberLine(number, external_id, values, error)


def _error(email: str, name: str, role: str, external_id: str) -> str:
    try:
        validate_email(email)
    except ValidationError:
        return f"“{email[:60]}” is not an email address."
    if role not in MemberRole.values:
        return f"“{role[:60]}” is not a role: {', '.join(MemberRole.values)}."
    for text in (name, external_id):
        if len(text) > 200:  # noqa: PLR2004  as the columns
            return "A name or ID is longer than 200 characters."
        try:
            validate_text(text)
        except ValidationError:
            return "A name or ID has control characters."
    return ""
