"""Idempotency keys of API calls, with the answers to repeat."""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from orgs.models.fields import not_empty


class IdempotencyKey(models.Model):
    """A write by API that was named with a key, and its answer.

    The row is inserted in the transaction of the write: there is one if and only if the
    write was committed. `orgs.commands.idempotency` deletes it days later.
    """

    owner = models.CharField(max_length=64)  # `key 7`, `user 7 of 1`
    key = models.CharField(max_length=255)
    request_hash = models.BinaryField(max_length=32)  # of method, path, query, and body
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField()
    content_type = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["owner", "key"], name="idempotency_key_once"),
            CheckConstraint(
                condition=Q(status__gte=200, status__lt=300),
                name="idempotency_key_success",
            ),
            *not_empty("idempotency_key", "owner", "key"),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_oldest")]

    def __str__(self) -> str:
        return f"{self.key} of {self.owner}"
