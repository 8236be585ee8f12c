"""`rotate_secrets`: re-encrypt stored secrets with the first of ENCRYPTION_KEYS."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.webhooks.commands.reencryption import reencrypt_endpoints
from metrics.commands.integrations import reencrypt_integrations
from orgs.commands.factors import reencrypt_factors
from orgs.commands.reencryption import ReencryptedBatch

BATCH = 500
_KINDS = (reencrypt_integrations, reencrypt_endpoints, reencrypt_factors)  # of secrets


def _run(batch: int) -> Iterator[ReencryptedBatch]:
    """Re-encrypt all secrets of each kind, and yield the outcome of each batch."""
    for reencrypt in _KINDS:
        last_id = 0
        while result := reencrypt(after_id=last_id, limit=batch):
            last_id = result.last_id
            yield result


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
        reencrypted = current = 0
        unreadable: list[str] = []
        for result in _run(max(batch, 1)):
            reencrypted += result.reencrypted
            current += result.current
            unreadable += result.unreadable
        self.stdout.write(
            f"{reencrypted} re-encrypted, {current} already current,"
            f" {len(unreadable)} unreadable"
        )
        if unreadable:
            raise CommandError(
                "These secrets can't be decrypted: " + ", ".join(unreadable)
            )
