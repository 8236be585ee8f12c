"""Changes of an organization that decide its access; each keeps a note."""

from collections.abc import Callable

import pghistory
from django.db import transaction

from billing.notes import require_note
from orgs.commands.editing import change_organization, restore_organization
from orgs.errors import DomainError
from orgs.models import Organization


@transaction.atomic
def change_availability(organization: Organization, change: str, *, note: str) -> None:
    """Restore, activate or deactivate an organization; the note is kept in the history.

    No effect on one that is restored, active or inactive already. Raises `DomainError`
    without a note or for an unknown change.
    """
    if change not in CHANGES:
        raise DomainError("Unknown change.", fields=("change",))
    with pghistory.context(note=require_note(note)):
        CHANGES[change](organization)


def _activate(organization: Organization) -> None:
    change_organization(organization, {"is_active": True})


def _deactivate(organization: Organization) -> None:
    change_organization(organization, {"is_active": False})


CHANGES: dict[str, Callable[[Organization], None]] = {
    "restore": restore_organization,
    "activate": _activate,
    "deactivate": _deactivate,
}
