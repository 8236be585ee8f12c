"""`rebuild_days`: compare daily usage with its events, and correct it."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from django.core.management import CommandError

from metrics.commands.rebuild import check_days, rebuild_days, require_stored_events
from metrics.commands.recompute import (
    CorrectionSpec,
    UsageDifference,
    finish_correction,
)
from metrics.commands.roll_up import roll_up_usage
from metrics.management.correcting import (
    CorrectingCommand,
    OrganizationSelection,
    select_organizations,
)
from metrics.models import Correction
from metrics.periods import DayRange, Grain
from metrics.queries.series import Amounts
from orgs.decimals import plain
from orgs.errors import DomainError
from orgs.management.loading import command_error


class Command(CorrectingCommand):
    help = (
        "Recompute daily usage from the events and list the differences. --apply"
        " corrects them. Without --apply, the exit code is 1 if any day differs."
    )
    batch_size = 500
    kind = Correction.Kind.REBUILD

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--from",
            dest="start",
            required=True,
            metavar="DAY",
            help="First day, such as 2026-11-21.",
        )
        parser.add_argument(
            "--to",
            dest="end",
            required=True,
            metavar="DAY",
            help="The day after the last.",
        )

    def handle(self, *, start: str, end: str, **options: Any) -> None:
        selection = select_organizations(
            options["white_label"], options["organization"]
        )
        correction = self.correction(**options)
        try:
            days = _days(start, end)
            require_stored_events(selection.white_label, days)
            count = self._correct(selection, days, correction, batch=options["batch"])
        except DomainError as error:
            raise command_error(error) from None
        if correction is not None:
            finish_correction(correction)
            roll_up_usage()
        self.stdout.write(
            f"{'differences' if correction is None else 'corrected'} {count}"
        )
        if count and correction is None:
            sys.exit(1)

    def _correct(
        self,
        selection: OrganizationSelection,
        days: DayRange,
        correction: CorrectionSpec | None,
        *,
        batch: int,
    ) -> int:
        """Compare or correct; list and count the differences.

        Month by month, so that a transaction stays small.
        """
        count = 0
        for ids in self.batches(selection, batch):
            for month in _months(days):
                differences = _differences(selection, ids, month, correction)
                for difference in differences:
                    self.stdout.write(_describe(difference))
                count += len(differences)
        return count


def _differences(
    selection: OrganizationSelection,
    ids: Sequence[int],
    days: DayRange,
    correction: CorrectionSpec | None,
) -> list[UsageDifference]:
    if correction is None:
        return check_days(selection.white_label, ids, days)
    return rebuild_days(selection.white_label, ids, days, correction=correction)


def _days(start: str, end: str) -> DayRange:
    try:
        days = DayRange(date.fromisoformat(start), date.fromisoformat(end))
    except ValueError as error:
        raise CommandError(
            f"--from and --to must be dates such as 2026-11-21: {error}"
        ) from None
    if not days.days:
        raise CommandError(
            "The range is empty: --to must be the day after the last day."
        )
    return days


def _months(days: DayRange) -> Iterator[DayRange]:
    for first in days.buckets(Grain.MONTHLY):
        after = Grain.MONTHLY.after(first)
        yield DayRange(max(first, days.start), min(after, days.end))


def _describe(difference: UsageDifference) -> str:
    name = f"organization {difference.organization_id} {difference.day}"
    if difference.product is None:
        old, new = (
            amounts.quantity if amounts else 0
            for amounts in (difference.recorded, difference.recomputed)
        )
        return f"{name} daily {difference.meter}: recorded {old} recomputed {new}"
    return (
        f"{name} {difference.product} {difference.meter}"
        f" project {difference.project_id} period {difference.period}:"
        f" recorded {_amounts(difference.recorded)}"
        f" recomputed {_amounts(difference.recomputed)}"
    )


def _amounts(amounts: Amounts | None) -> str:
    if amounts is None:
        return "nothing"
    text = f"{amounts.quantity} for {plain(amounts.cost)}"
    text += f" (benchmark {plain(amounts.benchmark_cost)}"
    return text + f", unpriced {amounts.unpriced_quantity})"
