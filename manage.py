#!/usr/bin/env python3
"""Django's command line; the embedded servers, when they run, are found by settings."""

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
    from config.embedded import environment, trouble  # noqa: PLC0415

    if problem := environment.url_trouble():
        sys.exit(problem)
    try:
        execute_from_command_line(sys.argv)
    except Exception as error:
        sentence = trouble.sentence_for(error)
        if sentence is None or "--traceback" in sys.argv:
            raise
        sys.exit(sentence)


if __name__ == "__main__":
    main()
