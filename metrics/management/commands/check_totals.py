"""`check_totals`: compare fleet totals with daily usage, and repair them."""

import argparse
import sys
from typing import Any

from django.core.management import BaseCommand
from django.db import transaction

from metrics.commands.roll_up import repair_fleet_totals, roll_up_usage
from orgs.management.loading import find_white_label


class Command(BaseCommand):
    help = (
        "Compare a white label's fleet totals with its daily usage. --apply repairs"
        " them. Without --apply, the exit code is 1 if any total differs."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--white-label", required=True, metavar="SLUG")
        parser.add_argument(
            "--apply", action="store_true", help="Repair the totals that differ."
        )

    def handle(self, *, white_label: str, apply: bool, **options: Any) -> None:
        label = find_white_label(white_label)
        with transaction.atomic():
            differing = repair_fleet_totals([label.pk])
            transaction.set_rollback(not apply)
        if apply:
            roll_up_usage()
        self.stdout.write(f"{'repaired' if apply else 'differences'} {differing}")
        if differing and not apply:
            sys.exit(1)
