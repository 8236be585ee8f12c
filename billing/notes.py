"""The reason that a person gives for what they change."""

from orgs.errors import DomainError

NOTE_MISSING = "billing.note_missing"


def require_note(note: str, *, code: str = "") -> str:
    """Return a note without outer spaces; raise `DomainError` for an empty one."""
    if not note.strip():
        raise DomainError("A note is required.", code=code, fields=("note",))
    return note.strip()
