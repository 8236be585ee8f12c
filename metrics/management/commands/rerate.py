"""`rerate`: re-rate the open period at the current prices."""

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from django.core.management import CommandError
from django.core.management.base import OutputWrapper

from metrics.commands.recompute import CorrectionSpec, finish_correction
from metrics.commands.rerate import Rerating, Reratings, preview_rerate, rerate_periods
from metrics.commands.roll_up import roll_up_usage
from metrics.management.correcting import (
    Chosen,
    CorrectingCommand,
    choose,
    plain,
    signed,
)
from metrics.models import Correction
from orgs.errors import DomainError
from orgs.management.loading import command_error
from orgs.models import Organization

_COLUMNS = (
    "organization_id",
    "organization",
    "period",
    "old_cost",
    "new_cost",
    "difference",
    "old_benchmark_cost",
    "new_benchmark_cost",
)


Row = tuple[int, str, int, str, str, str, str, str]
Write = Callable[[Sequence[Row]], object]


@dataclass(slots=True)
class _Sums:
    """Totals of the organizations that differ, and those that could not be re-rated."""

    count: int = 0
    old: Decimal = Decimal(0)
    new: Decimal = Decimal(0)
    without_events: list[int] = field(default_factory=list)

    def add(self, found: Reratings) -> None:
        self.count += len(found.reratings)
        self.old += sum((one.old_cost for one in found.reratings), Decimal(0))
        self.new += sum((one.new_cost for one in found.reratings), Decimal(0))
        self.without_events += found.without_events


class Command(CorrectingCommand):
    help = (
        "List the organizations whose open period would cost more or less at the"
        " current prices. --apply re-rates them."
    )
    batch_size = 50  # recordings of these wait while their new costs are written
    kind = Correction.Kind.RERATE
    summary: OutputWrapper

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--period",
            required=True,
            help="Must be open; closed periods can't be re-rated.",
        )
        parser.add_argument(
            "--csv", metavar="FILE", help="Write a CSV file instead; - for stdout."
        )

    def handle(self, *, period: str, **options: Any) -> None:
        if period != "open":
            raise CommandError(
                "Only the open period can be re-rated. Use --period open."
            )
        chosen = choose(options["white_label"], options["organization"])
        correction = self.correction(**options)
        try:
            with self._written(options["csv"]) as write:
                sums = self._each(chosen, correction, write, batch=options["batch"])
        except DomainError as error:
            raise command_error(error) from None
        if correction is not None:
            finish_correction(correction)
            roll_up_usage()
        self._report(chosen, sums, correction)

    def _each(
        self,
        chosen: Chosen,
        correction: CorrectionSpec | None,
        write: Write,
        *,
        batch: int,
    ) -> _Sums:
        """Writes what differs as it is found; memory does not grow with it."""
        sums = _Sums()
        for ids in self.batches(chosen, batch):
            found = _found(chosen, ids, correction)
            write(_rows(found.reratings))
            sums.add(found)
        return sums

    def _report(
        self, chosen: Chosen, sums: _Sums, correction: CorrectionSpec | None
    ) -> None:
        self.summary.write(
            f"{'differing' if correction is None else 'applied'} {sums.count}"
            f" old {plain(sums.old)} new {plain(sums.new)}"
            f" difference {signed(sums.new - sums.old)} {chosen.white_label.currency}"
        )
        if sums.without_events:
            self.stderr.write(
                "Not re-rated, because events of their open period were dropped: "
                + ", ".join(map(str, sums.without_events))
            )
            sys.exit(1)

    @contextmanager
    def _written(self, path: str | None) -> Iterator[Write]:
        """Writes rows as lines, or as CSV to a file or to standard output."""
        self.summary = self.stderr if path == "-" else self.stdout
        if path is None:
            yield lambda rows: [self.stdout.write(_said(row)) for row in rows]
        elif path == "-":
            yield _csv(self.stdout)
        else:
            with _create(Path(path)) as file:
                yield _csv(file)


def _found(
    chosen: Chosen, ids: Sequence[int], correction: CorrectionSpec | None
) -> Reratings:
    if correction is None:
        return preview_rerate(chosen.white_label, ids)
    return rerate_periods(chosen.white_label, ids, correction=correction)


def _rows(reratings: Sequence[Rerating]) -> list[Row]:
    ids = [one.organization_id for one in reratings]
    names = Organization.objects.in_bulk(ids)
    return [
        (
            one.organization_id,
            names[one.organization_id].external_id,
            one.period,
            plain(one.old_cost),
            plain(one.new_cost),
            signed(one.new_cost - one.old_cost),
            plain(one.old_benchmark_cost),
            plain(one.new_benchmark_cost),
        )
        for one in reratings
    ]


def _said(row: Row) -> str:
    id_, name, period, old, new, difference, old_benchmark, new_benchmark = row
    text = f"organization {id_} {name} period {period} old {old} new {new}"
    text += f" difference {difference}"
    if old_benchmark != new_benchmark:
        text += f" benchmark old {old_benchmark} new {new_benchmark}"
    return text


def _csv(file: Any) -> Write:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    return writer.writerows


def _create(path: Path) -> IO[str]:
    try:
        return path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
