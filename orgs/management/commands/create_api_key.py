import argparse
from typing import Any

from django.core.management import BaseCommand, CommandError

from orgs.catalog import Scope
from orgs.commands import create_api_key
from orgs.management.loading import find_white_label
from orgs.models import Organization, WhiteLabel


class Command(BaseCommand):
    help = "Make an API key; its text is the last line, printed this once."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--white-label", required=True, metavar="SLUG")
        parser.add_argument("--organization", metavar="EXTERNAL_ID")
        parser.add_argument("--name", default="command line")
        parser.add_argument(
            "--scope",
            action="extend",
            nargs="+",
            required=True,
            choices=[scope.value for scope in Scope],
        )

    def handle(self, *, white_label: str, name: str, **options: Any) -> None:
        owner = find_white_label(white_label)
        organization = _find_organization(owner, options["organization"])
        key, text = create_api_key(
            owner,
            name=name,
            scopes=[Scope(scope) for scope in options["scope"]],
            organization=organization,
        )
        self.stdout.write(f"key {key.pk} for {organization or owner}, shown once:")
        self.stdout.write(text)


def _find_organization(
    owner: WhiteLabel, external_id: str | None
) -> Organization | None:
    if external_id is None:
        return None
    present = Organization.objects.present()
    found = present.filter(white_label=owner, external_id=external_id).first()
    if found is None:
        raise CommandError(f"There is no organization {external_id!r} in {owner.slug}.")
    return found
