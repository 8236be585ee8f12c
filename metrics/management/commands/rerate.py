"""`rerate`: re-rate the open period at the current prices."""

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from django.core.management import CommandError
from django.core.management.base import OutputWrapper

from metrics.commands.corrections import begin_correction
from metrics.commands.recompute import CorrectionSpec, finish_correction
from metrics.commands.rerate import (
    PeriodRerate,
    RerateResult,
    preview_rerate,
    rerate_periods,
)
from metrics.commands.roll_up import roll_up_usage
from metrics.management.correcting import (
    CorrectingCommand,
    OrganizationSelection,
    request_key,
    select_organizations,
    signed,
)
from metrics.models import Correction
from metrics.queries.corrections import rerated_cost
from orgs.decimals import plain
from orgs.errors import DomainError
from orgs.management.loading import command_error
from orgs.models import Organization
from orgs.schemas.csv import quote_formula

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


# A line of output, in the order of `_COLUMNS`.
Row = tuple[int, str, int, str, str, str, str, str]
WriteRows = Callable[[Sequence[Row]], object]


@dataclass(slots=True)
class _Totals:
    """Totals of the re-rated periods, and organizations that could not be re-rated."""

    count: int = 0
    old: Decimal = Decimal(0)
    new: Decimal = Decimal(0)
    without_events: list[int] = field(default_factory=list)

    def add(self, result: RerateResult) -> None:
        self.count += len(result.rerates)
        self.old += sum((period.old_cost for period in result.rerates), Decimal(0))
        self.new += sum((period.new_cost for period in result.rerates), Decimal(0))
        self.without_events += result.without_events


class Command(CorrectingCommand):
    help = (
        "List the organizations whose open period would cost more or less at the"
        " current prices. --apply re-rates them; a second run at the same prices"
        " changes nothing."
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
        parser.add_argument(
            "--key",
            default="",
            metavar="TEXT",
            help="Name of this re-rating: run twice with the same name, it is done"
            " once.",
        )

    def handle(self, *, period: str, **options: Any) -> None:
        if period != "open":
            raise CommandError(
                "Only the open period can be re-rated. Use --period open."
            )
        selection = select_organizations(
            options["white_label"], options["organization"]
        )
        correction = self.correction(**options)
        try:
            correction, is_finished = _begin(selection, correction, **options)
            if correction is not None and is_finished:
                self._report_finished(selection, correction)
                return
            with self._writer(options["csv"]) as write:
                totals = self._rerate(
                    selection, correction, write, batch=options["batch"]
                )
        except DomainError as error:
            raise command_error(error) from None
        if correction is not None:
            finish_correction(correction)
            roll_up_usage()
        self._report(selection, totals, correction)

    def _rerate(
        self,
        selection: OrganizationSelection,
        correction: CorrectionSpec | None,
        write: WriteRows,
        *,
        batch: int,
    ) -> _Totals:
        """Preview or re-rate batch by batch, writing rows at once to save memory."""
        totals = _Totals()
        for ids in self.batches(selection, batch):
            result = _rerate_batch(selection, ids, correction)
            write(_rows(result.rerates))
            totals.add(result)
        return totals

    def _report_finished(
        self, selection: OrganizationSelection, correction: CorrectionSpec
    ) -> None:
        count, difference = rerated_cost(correction.id)
        self.stdout.write(
            f"already applied {correction.started_at:%FT%TZ} by {correction.by}:"
            f" {count} difference {signed(difference)}"
            f" {selection.white_label.currency}"
        )

    def _report(
        self,
        selection: OrganizationSelection,
        totals: _Totals,
        correction: CorrectionSpec | None,
    ) -> None:
        self.summary.write(
            f"{'differing' if correction is None else 'applied'} {totals.count}"
            f" old {plain(totals.old)} new {plain(totals.new)}"
            f" difference {signed(totals.new - totals.old)}"
            f" {selection.white_label.currency}"
        )
        if totals.without_events:
            self.stderr.write(
                "Not re-rated, because events of their open period were dropped: "
                + ", ".join(map(str, totals.without_events))
            )
            sys.exit(1)

    @contextmanager
    def _writer(self, path: str | None) -> Iterator[WriteRows]:
        """Yield a function that writes rows as text, or as CSV to a file or stdout."""
        self.summary = self.stderr if path == "-" else self.stdout
        if path is None:
            yield lambda rows: [self.stdout.write(_describe(row)) for row in rows]
        elif path == "-":
            yield _csv_writer(self.stdout)
        else:
            with _create(Path(path)) as file:
                yield _csv_writer(file)


def _begin(
    selection: OrganizationSelection,
    correction: CorrectionSpec | None,
    *,
    key: str,
    organization: str | None,
    **_: Any,
) -> tuple[CorrectionSpec | None, bool]:
    """Return the correction to continue under the key, and whether it has finished."""
    if correction is None or not key.strip():
        return correction, False
    names = {"key": key, "again": False}
    named = replace(correction, key=request_key(names, ()).key)
    ids: Sequence[object] = ["all"]
    if organization is not None:
        ids = list(selection.organizations.values_list("pk", flat=True))
    return begin_correction(selection.white_label, named, ("rerate", *ids))


def _rerate_batch(
    selection: OrganizationSelection,
    ids: Sequence[int],
    correction: CorrectionSpec | None,
) -> RerateResult:
    if correction is None:
        return preview_rerate(selection.white_label, ids)
    return rerate_periods(selection.white_label, ids, correction=correction)


def _rows(rerates: Sequence[PeriodRerate]) -> list[Row]:
    ids = [period.organization_id for period in rerates]
    names = Organization.objects.in_bulk(ids)
    return [
        (
            period.organization_id,
            names[period.organization_id].external_id,
            period.period,
            plain(period.old_cost),
            plain(period.new_cost),
            signed(period.new_cost - period.old_cost),
            plain(period.old_benchmark_cost),
            plain(period.new_benchmark_cost),
        )
        for period in rerates
    ]


def _describe(row: Row) -> str:
    id_, name, period, old, new, difference, old_benchmark, new_benchmark = row
    text = f"organization {id_} {name} period {period} old {old} new {new}"
    text += f" difference {difference}"
    if old_benchmark != new_benchmark:
        text += f" benchmark old {old_benchmark} new {new_benchmark}"
    return text


def _csv_writer(file: Any) -> WriteRows:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    return lambda rows: writer.writerows(
        (id_, quote_formula(external_id), *rest) for id_, external_id, *rest in rows
    )


def _create(path: Path) -> IO[str]:
    try:
        return path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
