"""`rotate_secrets`: re-encrypt stored secrets with the first of ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from metrics.commands.integrations import reencrypt_integrations

BATCH = 500


class Command(BaseCommand):
    help = (
        "Re-encrypt every stored secret with the first key of ENCRYPTION_KEYS. Safe to"
        " run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--batch",
            type=int,
            default=BATCH,
            help=f"Secrets per transaction. Default: {BATCH}.",
        )

    def handle(self, *args: Any, batch: int, **options: Any) -> None:
        """Commit batch by batch: after an interruption, a second run does the rest."""
        reencrypted = current = last_id = 0
        unreadable: list[str] = []
        while done := reencrypt_integrations(after_id=last_id, limit=max(batch, 1)):
            last_id = done.last_id
            reencrypted, current = (
                reencrypted + done.reencrypted,
                current + done.current,
            )
            unreadable += done.unreadable
        self.stdout.write(
            f"{reencrypted} re-encrypted, {current} already current,"
            f" {len(unreadable)} unreadable"
        )
        if unreadable:
            raise CommandError(
                "These secrets can't be decrypted: " + ", ".join(unreadable)
            )
