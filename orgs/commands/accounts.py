"""Changes of accounts that must leave a superuser who can manage them."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from orgs.errors import Conflict
from orgs.models import User

_CONSTRAINT = "user_last_superuser"  # of a trigger, see orgs/migrations/_guards.py


class LastSuperuser(Conflict):
    """The change would leave no active superuser."""

    code = "last_superuser"

    def __init__(self) -> None:
        super().__init__(
            "This is the last active superuser. Make another account a superuser first."
        )


def is_last_superuser(user_id: int) -> bool:
    """Return whether no other account could manage accounts without this one."""
    managing = User.objects.filter(is_superuser=True, is_active=True, is_staff=True)
    return list(managing.values_list("pk", flat=True)[:2]) == [user_id]


@contextmanager
def keep_last_superuser() -> Iterator[None]:
    """Raise `LastSuperuser` if the database refuses a change of accounts for it.

    Two superusers who remove each other at once both pass a check; the second one is
    refused by the database.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if _CONSTRAINT not in str(error):
            raise
        raise LastSuperuser from None
