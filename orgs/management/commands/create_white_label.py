import argparse
from typing import Any

from django.core.management import BaseCommand

from orgs.commands import create_white_label
from orgs.errors import DomainError
from orgs.management.loading import command_error


class Command(BaseCommand):
    help = "Make a white label and the organization that owns it."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--name", required=True)
        parser.add_argument("--time-zone", default="UTC", metavar="ZONE")
        parser.add_argument("--gpu-weight", type=int, default=3)
        parser.add_argument("--currency", default="usd")

    def handle(self, *, slug: str, **options: Any) -> None:
        names = ("name", "time_zone", "gpu_weight", "currency")
        try:
            made = create_white_label(slug, **{name: options[name] for name in names})
        except DomainError as error:
            raise command_error(error) from None
        self.stdout.write(f"white label {made.slug} owner {made.owner_id}")
