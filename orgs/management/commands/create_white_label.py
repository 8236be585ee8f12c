import argparse
from typing import Any

from django.core.management import BaseCommand

from orgs.commands.white_labels import create_white_label
from orgs.errors import DomainError
from orgs.management.loading import command_error


class Command(BaseCommand):
    help = "Create a white label and the organization that owns it."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("slug", help="A short name for URLs and commands.")
        parser.add_argument("--name", required=True, help="The display name.")
        parser.add_argument(
            "--time-zone",
            default="UTC",
            metavar="ZONE",
            help="Where days start; can't be changed later. Default: UTC.",
        )
        parser.add_argument(
            "--gpu-weight",
            type=int,
            default=3,
            help="CPU seconds that one GPU second counts as in daily metrics.",
        )
        parser.add_argument(
            "--currency",
            default="usd",
            help="Any currency of Stripe; can't be changed later. Default: usd.",
        )

    def handle(self, *, slug: str, **options: Any) -> None:
        names = ("name", "time_zone", "gpu_weight", "currency")
        try:
            made = create_white_label(slug, **{name: options[name] for name in names})
        except DomainError as error:
            raise command_error(error) from None
        self.stdout.write(
            f"Created white label {made.slug}, owned by organization {made.owner_id}."
        )
