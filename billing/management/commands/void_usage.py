"""`void_usage`: what voiding a range of usage would change; --apply makes it so."""

import argparse
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management import CommandError
from tqdm import tqdm

from billing.ledger.commands.voids import VoidResult, void_usage
from billing.ledger.queries.voids import VoidPreviewWithBills, preview_void_with_bills
from metrics.commands.recompute import CorrectionSpec
from metrics.commands.roll_up import roll_up_usage
from metrics.commands.voids import VOID
from metrics.management.correcting import (
    CorrectingCommand,
    RequestKey,
    add_key_arguments,
    request_key,
    select_organizations,
)
from metrics.queries.periods import list_open_periods
from metrics.queries.voids import UsageRange, VoidLine
from orgs.days import parse_instant
from orgs.decimals import plain
from orgs.errors import AlreadyDone, DomainError
from orgs.management.loading import command_error

_RESOLUTION = timedelta(microseconds=1)


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
        add_key_arguments(parser)

    def handle(self, **options: Any) -> None:
        correction = self.correction(**options)
        try:
            usage_range = _build_range(**options)
            preview = preview_void_with_bills(usage_range)
            if correction is None:
                self._print(preview, usage_range.organization.white_label.currency)
            else:
                self._apply(usage_range, preview, correction, options)
        except AlreadyDone as error:
            raise CommandError(f"{error.message} Add --again to repeat it.") from None
        except DomainError as error:
            raise command_error(error) from None

    def _print(self, preview: VoidPreviewWithBills, currency: str) -> None:
        usage = preview.usage
        for line in usage.lines:
            self.stdout.write(_format_line(line, usage.open_period))
        self.stdout.write(
            f"open {usage.open_events} events {plain(usage.open_cost)} {currency}"
            f" bill {plain(preview.before.total)} then {plain(preview.after.total)}"
        )
        self.stdout.write(
            f"invoiced {usage.closed_events} events"
            f" credit {plain(preview.credit)} {currency}"
        )
        if usage.voided:
            self.stdout.write(f"already voided {usage.voided} events")

    def _apply(
        self,
        usage_range: UsageRange,
        preview: VoidPreviewWithBills,
        correction: CorrectionSpec,
        options: dict[str, Any],
    ) -> None:
        key = _request_key(usage_range, options)
        with tqdm(
            total=sum(preview.usage.events.values()),
            unit="events",
            disable=None,  # only on a terminal
            file=sys.stderr,
        ) as bar:
            result = void_usage(
                usage_range,
                correction=replace(correction, key=key.key),
                as_credit=options["as_credit"],
                refuses_repeat=key.is_refused,
                progress=bar.update,
            )
        roll_up_usage()
        currency = usage_range.organization.white_label.currency
        self.stdout.write(_summarize(result, currency))


def _request_key(usage_range: UsageRange, options: dict[str, Any]) -> RequestKey:
    id_ = usage_range.organization.pk
    arguments = (
        "void",
        id_,
        list_open_periods([id_])[0].number,
        usage_range.start.timestamp(),
        usage_range.end.timestamp(),
        usage_range.product,
        usage_range.event_id,
        options["as_credit"],
    )
    return request_key(options, arguments)


def _build_range(
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
    selection = select_organizations(white_label, organization)
    chosen = selection.organizations.select_related("white_label").get()
    start_at, end_at = _parse_span(start, end, at, chosen.white_label.zone)
    return UsageRange(
        organization=chosen,
        start=start_at,
        end=end_at,
        product=product,
        event_id=event,
    )


def _parse_span(
    start: str | None, end: str | None, at: str | None, zone: ZoneInfo
) -> tuple[datetime, datetime]:
    if at is not None and start is None and end is None:
        start_at = _parse_time(at, zone)
        return start_at, start_at + _RESOLUTION
    if at is not None or start is None or end is None:
        raise CommandError("Give --from and --to, or --at.")
    return _parse_time(start, zone), _parse_time(end, zone)


def _parse_time(text: str, zone: ZoneInfo) -> datetime:
    """Return a time from ISO 8601 text; without an offset it is in the time zone."""
    try:
        return parse_instant(text, zone)
    except ValueError:
        raise CommandError(
            f"{text!r} is not a time such as 2026-11-21T12:00:00Z."
        ) from None


def _format_line(line: VoidLine, open_period: int) -> str:
    is_open = line.period == open_period
    return (
        f"period {line.period} {'open' if is_open else 'closed'}"
        f" {line.product} {line.meter}: {line.quantity} for {plain(line.cost)}"
    )


def _summarize(result: VoidResult, currency: str) -> str:
    return (
        f"voided {result.voided} events {plain(result.cost)} {currency},"
        f" refunded {result.credited} events as credit"
        f" {plain(result.credit)} {currency}"
    )
