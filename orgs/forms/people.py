"""Forms of members and projects, and the lines that add many members at once."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from orgs.models.fields import validate_text
from orgs.models.people import MemberRole
from orgs.web.edits import EditForm
from orgs.web.pasted import PastedForm, PastedRow, lines_field

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


class MemberListForm(PastedForm):
    """Many members; the first line may name the columns.

    Without it the columns are email, name, role, and external ID.
    """

    most_lines, most_kib = 500, 256

    lines = lines_field(
        "One member a line: email, name, role, external ID. Only the email is required."
        " Columns are separated by commas, semicolons, or tabs."
    )
    skips_invalid = forms.BooleanField(
        required=False, label="Add the others if some lines cannot be added"
    )

    def read(self, active: set[str]) -> list[MemberLine]:
        """Return the lines, given the external IDs that are in use."""
        columns = _header(self.rows[0].cells)
        lines, seen = [], set(active)
        for row in self.rows[1:] if columns else self.rows:
            line = _read_line(row, columns or _COLUMNS, seen)
            seen.add(line.external_id)
            lines.append(line)
        return lines


def _header(row: list[str]) -> tuple[str, ...]:
    """Return the columns that a first line names; none if it is a member."""
    names = tuple(cell.lower().replace(" ", "_") for cell in row)
    return names if "email" in names else ()


def _read_line(
    pasted: PastedRow, columns: tuple[str, ...], seen: set[str]
) -> MemberLine:
    row = dict(zip(columns, pasted.cells, strict=False))
    email, name = row.get("email", ""), row.get("name", "")
    role = row.get("role", "").lower() or MemberRole.MEMBER.value
    external_id = row.get("external_id", "") or email
    values = {"email": email, "name": name, "role": role}
    error = _error(email, name, role, external_id)
    if not error and external_id in seen:
        error = "Already a member, or twice in the list."
    return MemberLine(pasted.number, external_id, values, error)


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
