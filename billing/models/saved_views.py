"""Saved views of the organization list."""

from django.db import models
from django.db.models import UniqueConstraint
from django.utils import timezone

from orgs.models.fields import not_empty, with_history


@with_history()
class SavedView(models.Model):
    """A named view of the organization list: the parameters of its address.

    A shared view is shown to everyone of the same white label; without a white label,
    to staff who see all.
    """

    owner = models.ForeignKey(
        "orgs.User", on_delete=models.CASCADE, related_name="saved_views"
    )
    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, null=True, related_name="+"
    )
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1_000, blank=True)
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["owner", "name"], name="saved_view_once"),
            *not_empty("saved_view", "name"),
        ]

    def __str__(self) -> str:
        return self.name
