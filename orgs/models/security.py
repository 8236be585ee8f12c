from django.db import models
from django.db.models import CheckConstraint, Index, Q
from django.utils import timezone

from orgs.models.fields import in_range, not_empty


class SecurityEvent(models.Model):
    """A line of the security log; never changed, and deleted only by the retention.

    People, keys, and organizations are stored by id and name, not by reference: what
    they did stays when they are deleted.
    """

    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=40)
    outcome = models.CharField(max_length=8)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=200, blank=True)
    subject_kind = models.CharField(max_length=16, blank=True)
    subject_id = models.BigIntegerField(null=True)
    subject_name = models.CharField(max_length=200, blank=True)
    organization_id = models.BigIntegerField(null=True)
    white_label_id = models.BigIntegerField(null=True)
    address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    client_request_id = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        constraints = [
            *in_range("security_event", "at"),
            *not_empty("security_event", "kind", "actor_kind"),
            CheckConstraint(
                condition=Q(outcome__in=["success", "failure", "denied"]),
                name="security_event_outcome",
            ),
        ]
        indexes = [
            Index(fields=["-at", "-id"], name="security_event_newest"),
            Index(fields=["kind", "-at", "-id"], name="security_event_by_kind"),
            Index(fields=["address", "-at", "-id"], name="security_event_by_address"),
            Index(
                fields=["white_label_id", "-at", "-id"],
                name="security_event_by_label",
            ),
            Index(
                fields=["actor_kind", "actor_id", "-at", "-id"],
                name="security_event_by_actor",
            ),
            Index(
                fields=["subject_kind", "subject_id", "-at", "-id"],
                name="security_event_by_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
