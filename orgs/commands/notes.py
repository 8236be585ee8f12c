"""Notes of staff about an organization: add, change, pin, delete, and restore them."""

from django.db import transaction
from django.utils import timezone

from orgs.errors import Conflict, NotFound
from orgs.models import Note, Organization, User


class NoteChanged(Conflict):
    """Another person has changed the note since it was opened."""

    def __init__(self, note: Note) -> None:
        super().__init__(
            "This note was changed while you edited it. The current text is shown"
            " below your own; combine them and save again."
        )
        self.note = note


def add_note(
    organization: Organization, author: User, *, text: str, ticket_url: str = "",
    is_pinned: bool = False,
) -> Note:  # fmt: skip
    """Add a note; its author's name is kept, whatever becomes of the account."""
    return Note.objects.create(
        organization=organization,
        author=author,
        author_name=author.get_full_name() or author.get_username(),
        text=text,
        ticket_url=ticket_url,
        is_pinned=is_pinned,
    )


@transaction.atomic
def change_note(
    note: Note, *, version: int, text: str, ticket_url: str, is_pinned: bool
) -> Note:
    """Change the text of a note; raise `NoteChanged` if it has another version now."""
    note = _lock(note)
    if note.version != version:
        raise NoteChanged(note)
    note.text, note.ticket_url, note.is_pinned = text, ticket_url, is_pinned
    note.version += 1
    note.changed_at = timezone.now()
    note.save()
    return note


@transaction.atomic
def pin_note(note: Note, *, is_pinned: bool) -> None:
    """Pin a note to the header of all pages of its organization, or take it off."""
    note = _lock(note)
    note.is_pinned = is_pinned
    note.save(update_fields=["is_pinned"])


def delete_note(note: Note) -> None:
    """Mark a note as deleted; a second time changes nothing."""
    Note.objects.filter(pk=note.pk, deleted_at=None).update(deleted_at=timezone.now())


def restore_note(note: Note) -> None:
    """Show a deleted note again."""
    Note.objects.filter(pk=note.pk).exclude(deleted_at=None).update(deleted_at=None)


def _lock(note: Note) -> Note:
    rows = Note.objects.select_for_update().filter(pk=note.pk, deleted_at=None)
    locked = rows.first()
    if locked is None:
        raise NotFound("This note was deleted.")
    return locked
