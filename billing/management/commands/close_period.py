"""Command that prints what the open period costs, and with --apply closes it."""

import argparse
from typing import Any

from django.core.management import BaseCommand, CommandError

from billing.errors import UnpricedUsage
from billing.ledger.commands.periods import close_period_manually
from metrics.management.correcting import (
    add_key_arguments,
    request_key,
    select_organizations,
    system_user,
)
from metrics.queries.periods import current_period
from metrics.queries.unpriced import list_open_unpriced
from orgs.decimals import plain
from orgs.errors import AlreadyDone, DomainError
from orgs.management.loading import command_error


class Command(BaseCommand):
    help = (
        "Close an organization's open period now without charging it, for organizations"
        " billed outside Stripe or before their first Stripe invoice. Without --apply,"
        " only print what the period costs. The next period is not closed for the same"
        " reason, unless --again is given."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--white-label", metavar="SLUG")
        parser.add_argument(
            "--organization",
            required=True,
            metavar="ID",
            help="Orgdesk ID or external ID",
        )
        parser.add_argument(
            "--apply", action="store_true", help="save the change; requires --note"
        )
        parser.add_argument("--note", default="", help="reason, kept in the history")
        parser.add_argument(
            "--by", default="", help="name for the history; default: the system user"
        )
        parser.add_argument(
            "--without-unpriced",
            action="store_true",
            help="write off usage without a price; --by and --note are kept with it",
        )
        add_key_arguments(parser)

    def handle(self, *, apply: bool, note: str, by: str, **options: Any) -> None:
        selection = select_organizations(
            options["white_label"], options["organization"]
        )
        rows = selection.organizations.select_related("white_label")
        organization = rows.get()
        currency = organization.white_label.currency
        if not apply:
            period = current_period(organization.pk)
            since = f"{period.starts_at:%FT%TZ}"
            self.stdout.write(
                f"open since {since} {plain(period.cost.cost)} {currency}"
            )
            for line in list_open_unpriced(organization.pk):
                self.stdout.write(
                    f"no price for {line.product} {line.meter}: {line.quantity}"
                    f" since {line.since}"
                )
            self.stdout.write("dry run: nothing saved")
            return
        key = request_key(options, ())
        try:
            closed = close_period_manually(
                organization.pk,
                by=by.strip() or system_user(),
                note=note,
                key="" if key.is_refused else key.key,
                refuses_repeat=key.is_refused,
                bills_without_unpriced=options["without_unpriced"],
            )
        except AlreadyDone as error:
            raise CommandError(
                f"{error.message} Add --again to close another period."
            ) from None
        except UnpricedUsage as error:
            raise CommandError(
                f"{error.message} --without-unpriced confirms it."
            ) from None
        except DomainError as error:
            raise command_error(error) from None
        if closed.cost is None:
            raise AssertionError("A closed period has a cost.")
        self.stdout.write(f"closed {closed.number} {plain(closed.cost)} {currency}")
