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
        """Re-encrypt in batches; an interrupted run is completed by a second one."""
        reencrypted = current = last_id = 0
        unreadable: list[str] = []
        while batch_result := reencrypt_integrations(
            after_id=last_id, limit=max(batch, 1)
        ):
            last_id = batch_result.last_id
            reencrypted, current = (
                reencrypted + batch_result.reencrypted,
                current + batch_result.current,
            )
            unreadable += batch_result.unreadable
        self.stdout.write(
            f"{reencrypted} re-encrypted, {current} already current,"
            f" {len(unreadable)} unreadable"
        )
        if unreadable:
            raise CommandError(
                "These secrets can't be decrypted: " + ", ".join(unreadable)
            )
