"""The parts of an organization's details: how each is read, changed, and undone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pghistory
from django.db import transaction

from orgs.commands.editing import (
    change_organization,
    delete_organization,
    restore_organization,
)
from orgs.commands.proofs import ChangedMeanwhile, TooLateToUndo, Values, is_signed
from orgs.models import Entitlements, Organization

ENTITLEMENTS = (
    "storage_bytes",
    "compute_seconds_per_year",
    "gpu_seconds_per_year",
    "projects",
    "users",
)


@dataclass(frozen=True, slots=True)
class Section:
    """Columns of an organization that are edited together; `slug` is in the URL."""

    slug: str
    columns: Sequence[str]

    def read(self, organization: Organization) -> dict[str, Any]:
        """Return the current values by column."""
        return {name: getattr(organization, name) for name in self.columns}

    def write(self, organization: Organization, values: Values) -> None:
        """Change the columns that differ; raises `DomainError` for a bad value."""
        change_organization(organization, _differing(self.read(organization), values))


class EntitlementSection(Section):
    """The limits, which have another row."""

    def read(self, organization: Organization) -> dict[str, Any]:
        """Return the current limits; None for no limit, also without a row."""
        row = Entitlements.objects.filter(organization=organization).first()
        return {name: getattr(row, name, None) for name in self.columns}

    def write(self, organization: Organization, values: Values) -> None:
        """Change the limits that differ."""
        changed = _differing(self.read(organization), values)
        change_organization(organization, {}, changed)


class DeletionSection(Section):
    """The deletion of an organization; `write` deletes or restores it."""

    def read(self, organization: Organization) -> dict[str, Any]:
        """Return the one value, a flag."""
        return {"is_deleted": organization.deleted_at is not None}

    def write(self, organization: Organization, values: Values) -> None:
        """Delete or restore; raises `Conflict` for the owner of a white label."""
        change = delete_organization if values["is_deleted"] else restore_organization
        change(organization)


SECTIONS: Mapping[str, Section] = {
    section.slug: section
    for section in (
        Section("name", ("name", "external_id")),
        Section("contact", ("billing_email", "domain")),
        Section(
            "address",
            (
                "address_line_1",
                "address_line_2",
                "address_zip",
                "address_city",
                "address_state",
                "address_country",
            ),
        ),
        Section("contract", ("contract_started_on",)),
        EntitlementSection("entitlements", ENTITLEMENTS),
        Section("rate-limit", ("rate_limit",)),
        DeletionSection("deletion", ()),
    )
}


@transaction.atomic
def change_section(
    organization: Organization, section: Section, values: Values, *, reason: str,
    proof: str,
) -> dict[str, Any]:  # fmt: skip
    """Change a part of the details; return the values before.

    Raises `ChangedMeanwhile` if they are not those of the proof by now.
    """
    current = _lock(organization)
    before = section.read(current)
    if not is_signed(proof, before):
        raise ChangedMeanwhile
    with pghistory.context(note=reason):
        section.write(current, values)
    return before


@transaction.atomic
def undo_section(
    organization: Organization, section: Section, values: Values, *, proof: str
) -> None:
    """Restore the values before a change; raises `TooLateToUndo` if they changed."""
    current = _lock(organization)
    if not is_signed(proof, section.read(current)):
        raise TooLateToUndo
    with pghistory.context(note="Undone."):
        section.write(current, values)


def _lock(organization: Organization) -> Organization:
    rows = Organization.objects.select_for_update(of=("self",))
    return rows.select_related("white_label").get(pk=organization.pk)


def _differing(before: Values, values: Values) -> dict[str, Any]:
    return {name: value for name, value in values.items() if before[name] != value}
