from datetime import date
from typing import TYPE_CHECKING, Self

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.db.models.functions import Lower
from django.utils import timezone

from orgs.models.fields import (
    NormalizedCharField,
    in_order,
    in_range,
    not_empty,
    not_negative,
    validate_text,
    with_history,
)
from orgs.models.search import search_column, search_index, word_triggers

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from orgs.models.people import Member, Project


# Each limit has a version that a trigger increments when the limit changes. Alerts
# store the version, so that a changed limit is alerted again.
_LIMITS = (
    "storage_bytes",
    "compute_seconds_per_year",
    "gpu_seconds_per_year",
    "projects",
    "users",
)
_VERSIONS = tuple(f"{name}_version" for name in _LIMITS)
_COUNT_CHANGES = "\n".join(
    f"NEW.{name}_version = OLD.{name}_version"
    f" + (NEW.{name} is distinct from OLD.{name})::integer;"
    for name in _LIMITS
)


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def active(self) -> Self:
        """Return the organizations that are not deleted."""
        return self.filter(deleted_at=None)


@with_history(
    exclude=["name_key", "search_text", "inactive_since"], untracked=["updated_at"]
)
class Organization(models.Model):
    """A customer of a white label; deleting only marks it."""

    white_label = models.ForeignKey(
        "orgs.WhiteLabel",
        on_delete=models.PROTECT,
        related_name="organizations",
        db_index=False,  # the unique index of external ids starts with it
    )
    external_id = NormalizedCharField(
        max_length=200,
        validators=[validate_text],
        help_text="Your ID of the organization; unique in its white label.",
    )
    name = NormalizedCharField(max_length=200, validators=[validate_text])
    billing_email = models.EmailField(max_length=254, blank=True)
    contract_started_on = models.DateField(
        null=True,
        blank=True,
        help_text="Contract totals count from this day; if empty, from the creation.",
    )
    rate_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="API requests per minute; leave empty for the white label's default.",
    )
    is_active = models.BooleanField(default=True)
    inactive_since = models.DateTimeField(null=True, editable=False)  # by a trigger
    is_billable = models.BooleanField(default=True)
    is_personal = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    created_by = models.CharField(max_length=200, blank=True, editable=False)
    domain = models.CharField(max_length=253, blank=True)
    logo_url = models.URLField(max_length=500, blank=True)
    header_image_url = models.URLField(max_length=500, blank=True)
    readme = models.TextField(max_length=100_000, blank=True)
    experiments = ArrayField(
        models.CharField(max_length=100), default=list, blank=True, size=100
    )
    hubspot_id = models.CharField(max_length=64, blank=True)
    address_line_1 = models.CharField(max_length=200, blank=True)
    address_line_2 = models.CharField(max_length=200, blank=True)
    address_zip = models.CharField(max_length=20, blank=True)
    address_city = models.CharField(max_length=100, blank=True)
    address_state = models.CharField(max_length=100, blank=True)
    address_country = models.CharField(max_length=100, blank=True)

    name_key = models.GeneratedField(
        expression=Lower("name"),
        output_field=models.CharField(max_length=200),
        db_persist=True,
    )
    search_text = search_column("name", "external_id", "billing_email", "domain")

    members: "RelatedManager[Member]"
    projects: "RelatedManager[Project]"

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["white_label", "external_id"],
                name="organization_external_id_unique",
            ),
            *in_range("organization", "created_at", "updated_at", "deleted_at"),
            *not_empty("organization", "external_id", "name"),
            in_order("organization", "created_at", "deleted_at"),
            CheckConstraint(
                condition=Q(
                    contract_started_on__gte=date(2000, 1, 1),
                    contract_started_on__lt=date(2200, 1, 1),
                ),
                name="organization_contract_started_on_in_range",
            ),
            CheckConstraint(
                condition=Q(rate_limit__gte=1), name="organization_rate_limit_ge_1"
            ),
        ]
        indexes = [
            models.Index(
                fields=["white_label", "name_key", "id"], name="organization_by_name"
            ),
            models.Index(
                fields=["white_label", "created_at", "id"],
                name="organization_by_created",
            ),
            # Staff who see every white label list across all of them.
            models.Index(fields=["name_key", "id"], name="organization_by_name_all"),
            models.Index(
                fields=["created_at", "id"], name="organization_by_created_all"
            ),
            # Deleted organizations are few, and listed separately.
            models.Index(
                fields=["white_label", "id"],
                condition=Q(deleted_at__isnull=False),
                name="organization_deleted",
            ),
            models.Index(
                fields=["white_label", "inactive_since"],
                condition=Q(deleted_at=None, is_active=False),
                name="organization_inactive",
            ),
            search_index("organization_search"),
        ]
        triggers = [
            *word_triggers("name", "billing_email", "domain"),
            # Two machines' clocks differ, and two changes may be in one microsecond:
            # a client that reads only what changed since must miss neither.
            pgtrigger.Trigger(
                name="updated_forwards",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.Q(
                    new__updated_at__lte=pgtrigger.F("old__updated_at")
                ),
                func="""
                    NEW.updated_at = OLD.updated_at + interval '1 microsecond';
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="added_inactive",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                condition=pgtrigger.Q(new__is_active=False),
                func="NEW.inactive_since = now(); RETURN NEW;",
            ),
            pgtrigger.Trigger(
                name="turned_inactive",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.Q(old__is_active__df=pgtrigger.F("new__is_active")),
                func="""
                    NEW.inactive_since = case when NEW.is_active then null
                        else now() end;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return self.name


@with_history(exclude=list(_VERSIONS))
class Entitlements(models.Model):
    """The limits of an organization; null is no limit. Years are contract years.

    A trigger increments `…_version`, which starts at 1, when its limit changes.
    """

    organization = models.OneToOneField(
        "orgs.Organization",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="entitlements",
    )
    storage_bytes = models.BigIntegerField(null=True, blank=True)
    compute_seconds_per_year = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="CPU and GPU seconds, unweighted; leave empty for no limit.",
    )
    gpu_seconds_per_year = models.BigIntegerField(null=True, blank=True)
    projects = models.PositiveIntegerField(null=True, blank=True)
    users = models.PositiveIntegerField(null=True, blank=True)

    storage_bytes_version = models.PositiveIntegerField(
        default=1, db_default=1, editable=False
    )
    compute_seconds_per_year_version = models.PositiveIntegerField(
        default=1, db_default=1, editable=False
    )
    gpu_seconds_per_year_version = models.PositiveIntegerField(
        default=1, db_default=1, editable=False
    )
    projects_version = models.PositiveIntegerField(
        default=1, db_default=1, editable=False
    )
    users_version = models.PositiveIntegerField(default=1, db_default=1, editable=False)

    class Meta:
        verbose_name_plural = "entitlements"
        constraints = [
            *not_negative(
                "entitlements",
                "storage_bytes",
                "compute_seconds_per_year",
                "gpu_seconds_per_year",
                "projects",
                "users",
            )
        ]
        triggers = [
            pgtrigger.Trigger(
                name="count_changes",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                func=f"{_COUNT_CHANGES} RETURN NEW;",
            ),
        ]

    def __str__(self) -> str:
        return f"Entitlements of {self.organization}"
