"""`void_usage`: what voiding a range of usage would change; --apply makes it so."""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management import CommandError
from tqdm import tqdm

from billing.ledger.commands.voids import Corrected, void_usage
from billing.ledger.queries.voids import Voiding, preview_voiding
from metrics.commands.recompute import CorrectionSpec
from metrics.commands.roll_up import roll_up_usage
from metrics.commands.voids import VOID
from metrics.management.correcting import CorrectingCommand, choose, plain
from metrics.queries.voids import UsageRange, VoidLine
from orgs.errors import DomainError
from orgs.management.loading import command_error

_INSTANT = timedelta(microseconds=1)


class Command(CorrectingCommand):
    help = (
        "List the usage of an organization in a time range, and what its bill would be"
        " without it. --apply voids the usage. Usage that is already invoiced can only"
        " be refunded as credit, with --as-credit."
    )
    kind = VOID

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--from", dest="start", metavar="INSTANT")
        parser.add_argument(
            "--to", dest="end", metavar="INSTANT", help="end of the range, exclusive"
        )
        parser.add_argument("--at", metavar="INSTANT", help="only this instant")
        parser.add_argument(
            "--event", default="", metavar="ID", help="only the event with this ID"
        )
        parser.add_argument("--product", default="", metavar="SLUG")
        parser.add_argument(
            "--as-credit",
            action="store_true",
            help="refund usage that is already invoiced as credit",
        )

    def handle(self, **options: Any) -> None:
        correction = self.correction(**options)
        try:
            chosen = _chosen(**options)
            voiding = preview_voiding(chosen)
            if correction is None:
                self._tell(voiding, chosen.organization.white_label.currency)
            else:
                self._apply(chosen, voiding, correction, as_credit=options["as_credit"])
        except DomainError as error:
            raise command_error(error) from None

    def _tell(self, voiding: Voiding, currency: str) -> None:
        usage = voiding.usage
        for line in usage.lines:
            self.stdout.write(_said(line, usage.open_period))
        self.stdout.write(
            f"open {usage.open_events} events {plain(usage.open_cost)} {currency}"
            f" bill {plain(voiding.before.total)} then {plain(voiding.after.total)}"
        )
        self.stdout.write(
            f"invoiced {usage.closed_events} events"
            f" credit {plain(voiding.credit)} {currency}"
        )
        if usage.voided:
            self.stdout.write(f"already voided {usage.voided} events")

    def _apply(
        self,
        chosen: UsageRange,
        voiding: Voiding,
        correction: CorrectionSpec,
        *,
        as_credit: bool,
    ) -> None:
        with tqdm(
            total=sum(voiding.usage.events.values()),
            unit="events",
            disable=None,  # only on a terminal
            file=sys.stderr,
        ) as bar:
            done = void_usage(
                chosen, correction=correction, as_credit=as_credit, progress=bar.update
            )
        roll_up_usage()
        self.stdout.write(_summary(done, chosen.organization.white_label.currency))


def _chosen(
    *,
    white_label: str | None,
    organization: str | None,
    start: str | None,
    end: str | None,
    at: str | None,
    event: str,
    product: str,
    **_: Any,
) -> UsageRange:
    if organization is None:
        raise CommandError("--organization is required.")
    one = choose(white_label, organization).organizations
    first, last = _span(start, end, at)
    return UsageRange(
        organization=one.select_related("white_label").get(),
        start=first,
        end=last,
        product=product,
        event_id=event,
    )


def _span(
    start: str | None, end: str | None, at: str | None
) -> tuple[datetime, datetime]:
    if at is not None and start is None and end is None:
        first = _instant(at)
        return first, first + _INSTANT
    if at is not None or start is None or end is None:
        raise CommandError("Give --from and --to, or --at.")
    return _instant(start), _instant(end)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{text!r} is not a time such as 2026-11-21T12:00:00Z."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _said(line: VoidLine, open_period: int) -> str:
    is_open = line.period == open_period
    return (
        f"period {line.period} {'open' if is_open else 'closed'}"
        f" {line.product} {line.meter}: {line.quantity} for {plain(line.cost)}"
    )


def _summary(done: Corrected, currency: str) -> str:
    return (
        f"voided {done.voided} events {plain(done.cost)} {currency},"
        f" refunded {done.credited} events as credit {plain(done.credit)} {currency}"
    )
