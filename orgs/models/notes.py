from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import models
from django.utils import timezone

from orgs.models.fields import (
    in_order,
    in_range,
    not_empty,
    validate_text,
    with_history,
)
from orgs.models.search import search_column, search_index

LONGEST_NOTE = 4_000


def validate_lines(text: str) -> None:
    """Refuse what `validate_text` refuses, but for line breaks and tabs."""
    validate_text(text.translate({ord(char): " " for char in "\r\n\t"}))


@with_history(exclude=["search_text"])
class Note(models.Model):
    """What staff should know about an organization; deleting only marks it.

    `version` counts the changes of the text, so that two editors do not overwrite each
    other. The author's name outlives the account.
    """

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="notes"
    )
    text = models.TextField(max_length=LONGEST_NOTE, validators=[validate_lines])
    ticket_url = models.URLField(
        max_length=500, blank=True, validators=[URLValidator(schemes=["https", "http"])]
    )
    is_pinned = models.BooleanField(default=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
    )
    author_name = models.CharField(max_length=150)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    search_text = search_column("text", "author_name", "ticket_url")

    class Meta:
        constraints = [
            *in_range("note", "created_at", "changed_at", "deleted_at"),
            *not_empty("note", "text", "author_name"),
            in_order("note", "created_at", "deleted_at"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="note_newest"),
            models.Index(
                fields=["organization", "-id"],
                name="note_pinned",
                condition=models.Q(is_pinned=True, deleted_at=None),
            ),
            search_index("note_search"),
        ]

    def __str__(self) -> str:
        return f"Note {self.pk}"

    def clean(self) -> None:
        """Refuse a link that would show another address than it leads to."""
        if "@" in self.ticket_url.partition("://")[2].partition("/")[0]:
            raise ValidationError(
                {"ticket_url": "Enter a URL without a user name and password."}
            )
