"""Seal the history now, without waiting for the periodic task."""

from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand

from orgs.commands.sealing import seal_history


class Command(BaseCommand):
    help = "Seal the rows of the history that no seal covers yet."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the new seal; raise `CommandError` if it has to wait."""
        seal = seal_history()
        if seal is None:
            raise CommandError("A transaction is still writing history. Try again.")
        digest = bytes(seal.digest).hex()
        self.stdout.write(f"Sealed as number {seal.number} of {seal.day}: {digest}")
