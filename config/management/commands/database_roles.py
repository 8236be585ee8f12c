"""Create the role of the application, and give it its rights."""

from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from config.postgresql import roles

_TEXT = """-- As a superuser of PostgreSQL, once:
create role {owner} login password '…';
create role {role} login password '…';
create database {database} owner {owner};
-- As a superuser, in that database:
create extension if not exists pg_trgm;
create extension if not exists btree_gist;
alter schema public owner to {owner};
-- Then run `manage.py migrate`, which gives {role} its rights.
"""


class Command(BaseCommand):
    help = (
        "Create the role of DATABASE_URL if it is missing, and give it the rights of"
        " the application: to read and write rows, but not to change the history. Runs"
        " as the role of MIGRATION_DATABASE_URL, which owns the tables."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--sql",
            action="store_true",
            help="print how a superuser creates both roles",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create and grant; raise `CommandError` if there are no two roles."""
        role = settings.APPLICATION_ROLE
        if not role:
            raise CommandError(
                "Set MIGRATION_DATABASE_URL to the role that owns the tables, and"
                " DATABASE_URL to that of the application."
            )
        owner = settings.DATABASES["default"].get("USER", "")
        if role == owner:
            raise CommandError("DATABASE_URL and MIGRATION_DATABASE_URL name one role.")
        if options["sql"]:
            database = settings.DATABASES["default"]["NAME"]
            text = _TEXT.format(owner=owner, role=role, database=database)
            self.stdout.write(text, ending="")
            return
        self._create_and_grant(role)

    def _create_and_grant(self, role: str) -> None:
        try:
            if not roles.role_exists(role):
                roles.create_role(role, settings.APPLICATION_PASSWORD)
                self.stdout.write(f"Created the role {role}.")
            if not roles.is_migrated():
                self.stdout.write("Run `manage.py migrate`, which gives it its rights.")
                return
            roles.protect()
        except DatabaseError as error:
            reason = str(error).splitlines()[0]
            raise CommandError(
                f"PostgreSQL refused: {reason}. As a superuser, run what"
                " `manage.py database_roles --sql` prints."
            ) from None
        self.stdout.write(f"{role} may add to the history, and not change it.")
