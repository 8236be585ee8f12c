"""Large exports: tables that a worker writes as CSV into the database."""

from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from orgs.models.fields import in_range, not_empty
from orgs.models.work import UNFINISHED, RetryPolicy, Work, work_constraints

_MAX_PERCENT = 99  # until the file is ready


class Export(Work):
    """A table that a person or API key asked for and that is too large to wait for.

    `query` are the parameters of the table, relative to `created_at`. `rows_total` is
    known once the rows are listed, and for a computed table only at the end.
    `rows_done` are those that were read; a row that was deleted before its turn is not
    in the file, so `rows` can be fewer. `crc32` and `size` are of the CSV.
    """

    retries = RetryPolicy(
        lease=timedelta(minutes=3),  # for listing the rows, or for one part
        attempts=5,  # in a row, without a time slice between them
        first_wait=timedelta(seconds=15),
        longest_wait=timedelta(minutes=5),
    )

    user = models.ForeignKey(
        "orgs.User",
        on_delete=models.CASCADE,
        null=True,
        db_index=False,  # the index below begins with it
        related_name="exports",
    )
    api_key = models.ForeignKey(
        "orgs.ApiKey",
        on_delete=models.CASCADE,
        null=True,
        db_index=False,
        related_name="exports",
    )
    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, null=True, related_name="exports"
    )
    white_label_ids = ArrayField(models.BigIntegerField())  # whose rows it may have
    table = models.CharField(max_length=40)
    title = models.CharField(max_length=80)
    file_name = models.CharField(max_length=80)
    query = models.TextField(blank=True)
    is_for_excel = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    cursor = models.TextField(blank=True)  # where a paged table continues
    rows_total = models.PositiveBigIntegerField(null=True)
    rows_done = models.PositiveBigIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)  # bytes
    stored_size = models.PositiveBigIntegerField(default=0)  # bytes, deflated
    crc32 = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    manifest = models.JSONField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            *work_constraints("export"),
            *in_range(
                *("export", "created_at", "started_at", "finished_at", "expires_at")
            ),
            *not_empty("export", "table"),
            CheckConstraint(
                condition=Q(user=None, api_key__isnull=False)
                | Q(user__isnull=False, api_key=None),
                name="export_one_owner",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="export_by_user"),
            models.Index(fields=["api_key", "-id"], name="export_by_api_key"),
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state__in=UNFINISHED),
                name="export_unfinished",
            ),
            models.Index(fields=["finished_at"], name="export_by_end"),
            # The history of all organizations is read by time.
            models.Index(fields=["-created_at", "-id"], name="export_newest"),
        ]

    def __str__(self) -> str:
        return f"export {self.pk} of {self.table}"

    @property
    def is_unfinished(self) -> bool:
        return self.state in UNFINISHED

    @property
    def is_expired(self) -> bool:
        """True once the file is, or will soon be, deleted because of its age."""
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_ready(self) -> bool:
        """True while the file can be downloaded."""
        return self.state == self.State.DONE and not self.is_expired

    @property
    def percent(self) -> int | None:
        """How much of the rows was read; None while their number is not known."""
        if self.state == self.State.DONE:
            return 100
        if not self.rows_total:
            return None
        return min(100 * self.rows_done // self.rows_total, _MAX_PERCENT)


class ExportPart(models.Model):
    """Some rows of an export: their keys, and once they are read their content.

    `content` is a piece of a deflate stream that ends at a byte; all pieces in the
    order of their numbers are the stream of the CSV, whose header is number 0.
    """

    export = models.ForeignKey(
        Export, on_delete=models.CASCADE, db_index=False, related_name="parts"
    )
    number = models.PositiveIntegerField()
    keys = ArrayField(models.BigIntegerField(), default=list)
    content = models.BinaryField(null=True)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["export", "number"], name="export_part_once"),
            CheckConstraint(
                condition=Q(content=None) | Q(keys=[]), name="export_part_keys_read"
            ),
        ]

    def __str__(self) -> str:
        return f"part {self.number} of export {self.export_id}"
