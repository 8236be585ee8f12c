"""Whose turn it is: letters that are due, and the lease of whoever sends one."""

import random
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from billing.models import Alert, Letter

LEASE = timedelta(minutes=3)  # longer than one conversation; renewed before each
MAX_ATTEMPTS = 15  # eight hours
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)
_State = Letter.State


def list_due_letters(limit: int) -> list[int]:
    """Those that nobody was told of, are due again, or whose worker died."""
    due = Letter.objects.due().order_by("due_at", "id")
    return list(due.values_list("pk", flat=True)[:limit])


def claim(letter_id: int) -> Letter | None:
    """Take a letter for the time of a lease, unless somebody has it or it has ended."""
    if not Letter.objects.filter(pk=letter_id).claim(LEASE):
        return None
    Alert.objects.filter(letters=letter_id, state=Alert.State.PENDING).update(
        state=Alert.State.SENDING
    )
    rows = Letter.objects.select_related("alert__organization__white_label")
    return rows.get(pk=letter_id)


def renew(letter: Letter) -> bool:
    """Whether the lease is still ours; then for as long again."""
    until = max(timezone.now() + LEASE, letter.leased_until or timezone.now())
    if not ours(letter).update(leased_until=until, due_at=until):
        return False
    letter.leased_until = until
    return True


def ours(letter: Letter) -> QuerySet[Letter]:
    """The row, unless the lease was over and somebody else is at it."""
    return Letter.objects.filter(
        pk=letter.pk, state=_State.RUNNING, leased_until=letter.leased_until
    )


def next_try(letter: Letter) -> datetime:
    """Later after each attempt, and not all at one instant."""
    doubled: int = 2 ** min(letter.attempts - 1, 10)
    wait = min(_FIRST_WAIT * doubled, _LONGEST_WAIT)
    return timezone.now() + wait * random.uniform(0.8, 1.2)  # noqa: S311  no secret
