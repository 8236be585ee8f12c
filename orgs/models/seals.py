from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from orgs.models.fields import in_range

DIGEST_BYTES = 32  # of SHA-256


class HistorySeal(models.Model):
    """A link of the chain that closes the history of a day.

    `digest` is the SHA-256 of the digest before it and of the manifest. `manifest` has
    for each table the range of ids, the columns, the number of rows, and the digest of
    their hashes. No two seals follow the same one: the chain cannot fork.
    """

    number = models.PositiveBigIntegerField(unique=True)
    day = models.DateField()
    sealed_at = models.DateTimeField(default=timezone.now)
    previous = models.BinaryField(max_length=DIGEST_BYTES, unique=True)
    digest = models.BinaryField(max_length=DIGEST_BYTES, unique=True)
    manifest = models.JSONField()

    class Meta:
        constraints = [
            CheckConstraint(condition=Q(number__gte=1), name="history_seal_number"),
            *in_range("history_seal", "sealed_at"),
        ]

    def __str__(self) -> str:
        return f"seal {self.number} of {self.day}"


class SealedRows(models.Model):
    """The hashes of some thousand rows of a seal, which find the one that differs.

    `hashes` has for each row its id in 8 bytes and 16 bytes of its SHA-256.
    """

    seal = models.ForeignKey(
        HistorySeal, on_delete=models.PROTECT, db_index=False, related_name="rows"
    )
    table = models.CharField(max_length=63)
    last_id = models.BigIntegerField()
    hashes = models.BinaryField()

    class Meta:
        verbose_name_plural = "sealed rows"
        constraints = [
            UniqueConstraint(
                fields=["seal", "table", "last_id"], name="sealed_rows_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.table} up to {self.last_id}"
