"""Compare the history with its seals, and name the first row that differs."""

import argparse
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser

from orgs.commands.sealing import digest_of
from orgs.queries.seals import Verified, verify
from orgs.security_log import Kind, record


class Command(BaseCommand):
    help = (
        "Compare the history, the security log, and the admin's log with their seals."
        " The exit code is 1 if a row was changed, deleted, or inserted later."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--against", type=Path, metavar="FILE", help="seals that were exported"
        )
        parser.add_argument(
            "--since",
            type=_day,
            metavar="DAY",
            help="verify only the rows of seals from this day on, such as 2026-11-01",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was verified; raise `CommandError` for the first difference."""
        exported = list(_read(options["against"])) if options["against"] else ()
        result = verify(digest_of, exported=exported, since=options["since"])
        self.stdout.write(_summary(result))
        if result.breach is None:
            return
        breach = result.breach
        day = f" of {breach.day}" if breach.day else ""
        what = f"Seal {breach.seal}{day}: {breach.what}."
        record(Kind.HISTORY_BROKEN, details={"what": what})
        raise CommandError(what)


def _summary(result: Verified) -> str:
    state = "Verified" if result.breach is None else "Verified until the difference"
    return (
        f"{state}: rows {result.rows:,}, seals {result.seals:,};"
        f" not sealed yet: {result.unsealed:,} rows."
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("write a date such as 2026-11-01") from None


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the seals of a file; raise `CommandError` for a line that is none."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    for number, line in enumerate(filter(str.strip, lines), 1):
        try:
            seal = json.loads(line)
            int(seal["number"]), date.fromisoformat(seal["day"]), str(seal["digest"])
        except (ValueError, KeyError, TypeError):
            raise CommandError(f"{path}, line {number} is not a seal.") from None
        yield seal
