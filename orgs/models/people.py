from django.db import models
from django.db.models import Q, UniqueConstraint
from django.utils import timezone

from orgs.models.fields import (
    NormalizedCharField,
    in_order,
    in_range,
    not_empty,
    validate_text,
    with_history,
)
from orgs.models.search import search_column, search_index, word_triggers


class MemberRole(models.TextChoices):
    ADMIN = "admin"
    MEMBER = "member"
    GUEST = "guest"


@with_history(exclude=["search_text"])
class Member(models.Model):
    """A user of an organization, identified by the customer's ID of the user."""

    Role = MemberRole

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="members"
    )
    external_id = NormalizedCharField(max_length=200, validators=[validate_text])
    email = models.EmailField(max_length=254, blank=True)
    name = NormalizedCharField(max_length=200, blank=True, validators=[validate_text])
    role = models.CharField(max_length=6, choices=Role, default=Role.MEMBER)
    is_staff = models.BooleanField(default=False)
    added_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)
    search_text = search_column("name", "email", "external_id")

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "external_id"], name="member_external_id_unique"
            ),
            models.CheckConstraint(
                condition=Q(role__in=MemberRole.values), name="member_role"
            ),
            *in_range("member", "added_at", "deleted_at"),
            *not_empty("member", "external_id"),
            in_order("member", "added_at", "deleted_at"),
        ]
        indexes = [
            search_index("member_search"),
            models.Index(
                fields=["organization", "-added_at", "-id"],
                name="member_newest",
                condition=Q(deleted_at=None),
            ),
        ]
        triggers = word_triggers("name", "email")

    def __str__(self) -> str:
        return self.name or self.email or self.external_id


@with_history(exclude=["search_text"])
class Project(models.Model):
    """A project of an organization; the first usage event that names it creates it."""

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="projects"
    )
    external_id = NormalizedCharField(max_length=200, validators=[validate_text])
    name = NormalizedCharField(max_length=200, validators=[validate_text])
    is_public = models.BooleanField(default=False)
    added_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)
    search_text = search_column("name", "external_id")

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "external_id"],
                name="project_external_id_unique",
            ),
            *in_range("project", "added_at", "deleted_at"),
            *not_empty("project", "external_id", "name"),
            in_order("project", "added_at", "deleted_at"),
        ]
        indexes = [
            search_index("project_search"),
            models.Index(
                fields=["organization", "-added_at", "-id"],
                name="project_newest",
                condition=Q(deleted_at=None),
            ),
        ]
        triggers = word_triggers("name")

    def __str__(self) -> str:
        return self.name
