"""`rotate_secrets`: seal every stored secret with the first of ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from metrics.commands import reseal_integrations

BATCH = 500


class Command(BaseCommand):
    help = "Seal every stored secret with the first of ENCRYPTION_KEYS; run it again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=BATCH)

    def handle(self, *args: Any, batch: int, **options: Any) -> None:
        """Each batch is committed: after a stop in the middle the rest is done anew."""
        resealed = current = last_id = 0
        unreadable: list[str] = []
        while done := reseal_integrations(after_id=last_id, limit=max(batch, 1)):
            last_id = done.last_id
            resealed, current = resealed + done.resealed, current + done.current
            unreadable += done.unreadable
        self.stdout.write(
            f"{resealed} sealed anew, {current} were already,"
            f" {len(unreadable)} unreadable"
        )
        if unreadable:
            raise CommandError("does not open: " + ", ".join(unreadable))
