"""Print the seals of the history as lines of JSON, to keep on another machine."""

from typing import Any

from django.core.management.base import BaseCommand

from orgs.queries.seals import export_seals


class Command(BaseCommand):
    help = (
        "Print the seals of the history, one a line, as JSON. Keep them on another"
        " machine: `verify_history --against FILE` shows if seals were removed since."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each seal."""
        for line in export_seals():
            self.stdout.write(line)
