"""Notes of staff about organizations, newest first, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from orgs.models import Note
from orgs.models.organizations import OrganizationQuerySet

NOTES_ON_A_PAGE = 50
_PINNED = 3  # in the header, which must stay a header


@dataclass(frozen=True, slots=True)
class NotePage:
    """Some notes; `next_before` is the id that the following page starts before."""

    notes: Sequence[Note]
    next_before: int | None


def list_notes(
    organizations: OrganizationQuerySet, *, text: str = "", before: int = 0
) -> NotePage:
    """Return notes of these organizations that have every word of a text.

    Words are compared without case and accents. Deleted notes are left out.
    """
    rows = Note.objects.filter(organization__in=organizations, deleted_at=None)
    for word in text.split():
        rows = rows.filter(search_text__key_contains=word)
    if before:
        rows = rows.filter(pk__lt=before)
    rows = rows.select_related("organization__white_label").order_by("-pk")
    fetched = list(rows[: NOTES_ON_A_PAGE + 1])
    shown = fetched[:NOTES_ON_A_PAGE]
    has_more = len(fetched) > NOTES_ON_A_PAGE
    return NotePage(shown, shown[-1].pk if has_more else None)


def pinned_notes(organization_id: int) -> Sequence[Note]:
    """Return the newest pinned notes of an organization, few enough for its header."""
    rows = Note.objects.filter(
        organization=organization_id, is_pinned=True, deleted_at=None
    )
    return list(rows.order_by("-pk")[:_PINNED])
