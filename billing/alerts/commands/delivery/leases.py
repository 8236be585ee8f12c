"""The lease of the worker that sends an alert email."""

from billing.models import Alert, Letter
from orgs.commands import work


def list_due_letters(limit: int) -> list[int]:
    """Return the keys of emails to send now, the longest due first."""
    return work.list_forgotten(Letter.objects.all(), limit)


def claim(letter_id: int) -> Letter | None:
    """Take an email under a lease; null if another worker has it or it has ended."""
    rows = Letter.objects.select_related("alert__organization__white_label")
    letter = work.claim(rows, letter_id)
    if letter is not None:
        Alert.objects.filter(letters=letter_id, state=Alert.State.PENDING).update(
            state=Alert.State.SENDING
        )
    return letter


def renew(letter: Letter) -> bool:
    """Begin the lease again; false if another worker has taken the email."""
    return work.renew(letter)
