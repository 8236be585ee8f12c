from django.contrib.auth.models import AbstractUser, Group
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from orgs.models.fields import with_history


@with_history(exclude=["password", "last_login"])
class User(AbstractUser):
    """A person who logs in.

    Staff without a white label see every organization; users with one see only its
    organizations. Other users see none.
    """

    # Set by `orgs.access.backends`; None for users that were loaded otherwise.
    read_permissions: set[str] | None = None
    has_second_factor: bool | None = None

    white_label = models.ForeignKey(
        "orgs.WhiteLabel",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="users",
        help_text="Limits access to one white label; leave empty for access to all.",
    )
    login_version = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Counts up to end all sessions and login tokens.",
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(Lower("username"), name="user_username_unique"),
            models.UniqueConstraint(
                Lower("email"), condition=~Q(email=""), name="user_email_unique"
            ),
        ]

    def clean(self) -> None:
        """Refuse a username or email address that another account has, in any case."""
        super().clean()
        others = User.objects.exclude(pk=self.pk)
        for name in ("username", "email"):
            value = getattr(self, name)
            if value and others.filter(**{f"{name}__iexact": value}).exists():
                message = "Another account has this, in upper or lower case."
                raise ValidationError({name: message}, code="unique")

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """Return what sessions and login tokens are bound to.

        It changes with the password and the login version, and so ends them.
        """
        value = f"{self.login_version}:{self.password}"
        hashed = salted_hmac("orgs.User.login", value, secret, algorithm="sha256")
        return hashed.hexdigest()


@with_history()
class UserRole(User.groups.through):  # type: ignore[name-defined,misc]
    """A role that a person has; a proxy, so that its changes have a history."""

    class Meta:
        proxy = True
        verbose_name = "role of an account"


@with_history()
class UserPermission(User.user_permissions.through):  # type: ignore[name-defined,misc]
    """A permission that a person has beside those of roles; a proxy for its history."""

    class Meta:
        proxy = True
        verbose_name = "permission of an account"


@with_history()
class RolePermission(Group.permissions.through):  # type: ignore[name-defined,misc]
    """A permission that a role gives; a proxy, so that its changes have a history."""

    class Meta:
        proxy = True
        verbose_name = "permission of a role"
