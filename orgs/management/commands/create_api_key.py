import argparse
from datetime import timedelta
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from orgs.catalog import Scope
from orgs.commands.keys import create_api_key
from orgs.errors import DomainError
from orgs.management.loading import find_white_label
from orgs.models import Organization, WhiteLabel

_MAX_DAYS = 3_650


class Command(BaseCommand):
    help = "Create an API key. The last line of the output is the key, shown only once."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--white-label",
            required=True,
            metavar="SLUG",
            help="The white label the key belongs to.",
        )
        parser.add_argument(
            "--organization",
            metavar="EXTERNAL_ID",
            help="Limit the key to one organization.",
        )
        parser.add_argument(
            "--name", default="command line", help="A name for the list of keys."
        )
        parser.add_argument(
            "--scope",
            action="extend",
            nargs="+",
            required=True,
            choices=[scope.value for scope in Scope],
            help="What the key may do; may be repeated.",
        )
        parser.add_argument(
            "--address-range",
            action="extend",
            nargs="+",
            default=[],
            metavar="CIDR",
            help="A network that may use the key; may be repeated. Default: any.",
        )
        parser.add_argument(
            "--expires-in-days",
            type=_days,
            metavar="DAYS",
            help="Days until the key expires. Default: never.",
        )

    def handle(self, *, white_label: str, name: str, **options: Any) -> None:
        owner = find_white_label(white_label)
        organization = _find_organization(owner, options["organization"])
        days = options["expires_in_days"]
        try:
            key, text = create_api_key(
                owner,
                name=name,
                scopes=[Scope(scope) for scope in options["scope"]],
                organization=organization,
                expires_at=timezone.now() + timedelta(days=days) if days else None,
                address_ranges=options["address_range"],
            )
        except DomainError as error:
            raise CommandError(error.message) from None
        self.stdout.write(
            f"Created API key {key.pk} for {organization or owner}. Copy it now:"
        )
        self.stdout.write(text)


def _find_organization(
    owner: WhiteLabel, external_id: str | None
) -> Organization | None:
    if external_id is None:
        return None
    active = Organization.objects.active()
    organization = active.filter(white_label=owner, external_id=external_id).first()
    if organization is None:
        raise CommandError(f"Organization {external_id!r} not found in {owner.slug}.")
    return organization


def _days(text: str) -> int:
    """Return a number of days; argparse reports what is none."""
    days = int(text)
    if not 1 <= days <= _MAX_DAYS:
        raise argparse.ArgumentTypeError(f"must be between 1 and {_MAX_DAYS}")
    return days
