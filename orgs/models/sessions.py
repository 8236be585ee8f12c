from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone


class Session(AbstractBaseSession):
    """A browser session, with what its user sees of it.

    `orgs.access.sessions` writes it. The end of the row is the end of the session.
    Visitors who have not logged in may have one, too, without a user.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        related_name="sessions",
    )
    began_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "-last_seen_at"], name="session_by_user")
        ]

    @classmethod
    def get_session_store_class(cls) -> Any:
        """Return the class that reads and writes sessions."""
        return import_module(settings.SESSION_ENGINE).SessionStore
