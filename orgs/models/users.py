from django.contrib.auth.models import AbstractUser
from django.db import models

from orgs.models.fields import with_history


@with_history(exclude=["password", "last_login"])
class User(AbstractUser):
    """A person who logs in.

    Staff without a white label see every organization; users with one see only its
    organizations. Other users see none.
    """

    # Set by `orgs.access.backends`; None for users that were loaded otherwise.
    read_permissions: set[str] | None = None

    white_label = models.ForeignKey(
        "orgs.WhiteLabel",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="users",
        help_text="Limits access to one white label; leave empty for access to all.",
    )
