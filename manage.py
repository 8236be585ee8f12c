#!/usr/bin/env python3
"""Django's command line; settings find the embedded servers of `make up`."""

import getpass
import os
import sys
from typing import Any


class _NamesCommand:
    """A mixin that puts the command's name into the history of what it writes."""

    def fetch_command(self, subcommand: str) -> Any:
        """Return the command, and state it as the actor until the process ends."""
        command = super().fetch_command(subcommand)  # type: ignore[misc]
        if subcommand not in _SERVERS:
            from orgs.access.actors import act_as_command  # noqa: PLC0415  needs apps

            act_as_command(subcommand, _system_user())
        return command


# These change tables or roles; every other command is the application.
_OWNER_COMMANDS = frozenset({
    "database_roles", "flush", "migrate", "prepare", "sqlflush", "test",
})  # fmt: skip
# These run for others: what they serve states its actor.
_SERVERS = frozenset({"runserver", "mcp", "test"})


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user, as in some containers
        return str(os.getuid())


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import ManagementUtility  # noqa: PLC0415
    except ImportError:
        sys.exit(
            "Orgdesk is not installed: run `make up`, then .venv/bin/python manage.py"
        )
    from config.dev.servers import environment, error_messages  # noqa: PLC0415

    if problem := environment.url_problem():
        sys.exit(problem)
    is_owner = _OWNER_COMMANDS.intersection(sys.argv[1:2])
    role = "owner" if is_owner else "application"
    os.environ.setdefault("ORGDESK_DATABASE_ROLE", role)
    try:
        named = type("Named", (_NamesCommand, ManagementUtility), {})
        named(sys.argv).execute()
    except Exception as error:
        message = error_messages.message_for(error)
        if message is None or "--traceback" in sys.argv:
            raise
        sys.exit(message)


if __name__ == "__main__":
    main()
