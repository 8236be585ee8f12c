"""The tables of Orgdesk as unmanaged models of another Django project."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models


class WhiteLabel(models.Model):
    name = models.CharField(max_length=200)
    time_zone = models.CharField(max_length=64)
    default_rate_limit = models.PositiveIntegerField()

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        managed = False
        db_table = "orgs_whitelabel"

    def __str__(self) -> str:
        return self.name


class Organization(models.Model):
    white_label = models.ForeignKey(WhiteLabel, on_delete=models.PROTECT)
    external_id = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    billing_email = models.EmailField(max_length=254, blank=True)
    rate_limit = models.PositiveIntegerField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        managed = False
        db_table = "orgs_organization"

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    white_label = models.ForeignKey(WhiteLabel, on_delete=models.CASCADE)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, null=True)
    key_hash = models.BinaryField(max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=32))
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        managed = False
        db_table = "orgs_apikey"

    def __str__(self) -> str:
        return f"key {self.pk}"


class DailyUsage(models.Model):
    pk = models.CompositePrimaryKey(
        "organization_id", "day", "product", "meter", "project_id", "period"
    )
    organization_id = models.BigIntegerField()
    day = models.DateField()
    product = models.TextField()
    meter = models.TextField()
    project_id = models.BigIntegerField()
    period = models.IntegerField()
    cost = models.DecimalField(max_digits=56, decimal_places=12)

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        managed = False
        db_table = "metrics_dailyusage"

    def __str__(self) -> str:
        return f"{self.organization_id} {self.day}"


class Person(AbstractUser):
    """A user who signs in to the stock admin."""

    class Meta:
        managed = False
        db_table = "orgs_user"
