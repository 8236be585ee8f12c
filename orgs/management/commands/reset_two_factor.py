import argparse
from typing import Any

from django.core.management import BaseCommand, CommandError

from orgs.commands.factors.resets import reset_factors
from orgs.errors import DomainError
from orgs.models import User


class Command(BaseCommand):
    help = (
        "Remove the second factors and recovery codes of an account whose owner lost"
        " them. Its sessions and login tokens end, and its owner gets an email."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("username", help="The name of the account.")
        parser.add_argument(
            "--reason", required=True, help="Why; it is kept in the history."
        )

    def handle(self, *, username: str, reason: str, **options: Any) -> None:
        """Reset the account; raise `CommandError` if there is none of this name."""
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no account {username!r}.")
        try:
            removed = reset_factors(user, reason=reason)
        except DomainError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"{username}: {removed} removed, all sessions ended")
