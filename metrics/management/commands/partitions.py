"""`partitions`: create, drop, and list the monthly partitions of usage events."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from metrics.commands.partitions import (
    ExpiredPartition,
    drop_partitions,
    make_partitions,
)
from metrics.queries.partitions import list_event_partitions


class Command(BaseCommand):
    help = "Create, drop, and list the monthly partitions of the usage events table."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--drop",
            action="store_true",
            help="Drop partitions older than USAGE_EVENT_RETENTION_DAYS.",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="List what --drop would drop, without changing anything.",
        )

    def handle(self, *, drop: bool, dry_run: bool, **options: Any) -> None:
        if drop and settings.USAGE_EVENT_RETENTION is None:
            raise CommandError(
                "USAGE_EVENT_RETENTION_DAYS is not set, so events are kept forever."
            )
        created = [] if dry_run else make_partitions()
        expired = drop_partitions(dry_run=dry_run) if drop or dry_run else []
        for month in list_event_partitions():
            self.stdout.write(
                f"{month.name} rows ~{month.rows:,} bytes {month.bytes:,}"
            )
        for name in created:
            self.stdout.write(f"created {name}")
        for partition in expired:
            self.stdout.write(_describe(partition))


def _describe(partition: ExpiredPartition) -> str:
    text = f"{partition.outcome} {partition.name}"
    if partition.organization_id is None:
        return text
    return f"{text} for the open period of organization {partition.organization_id}"
