#!/usr/bin/env python3
"""Django's command line; settings find the embedded servers of `make up`."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line  # noqa: PLC0415
    except ImportError:
        sys.exit(
            "Orgdesk is not installed: run `make up`, then .venv/bin/python manage.py"
        )
    from config.dev.servers import environment, error_messages  # noqa: PLC0415

    if problem := environment.url_problem():
        sys.exit(problem)
    try:
        execute_from_command_line(sys.argv)
    except Exception as error:
        message = error_messages.message_for(error)
        if message is None or "--traceback" in sys.argv:
            raise
        sys.exit(message)


if __name__ == "__main__":
    main()
