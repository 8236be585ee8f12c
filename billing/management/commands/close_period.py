"""Command that prints what the open period costs, and with --apply closes it."""

import argparse
from typing import Any

from django.core.management import BaseCommand

from billing.ledger.commands.periods import close_period_manually
from metrics.management.correcting import plain, select_organizations, system_user
from metrics.queries.periods import current_period
from orgs.errors import DomainError
from orgs.management.loading import command_error


class Command(BaseCommand):
    help = (
        "Close an organization's open period now without charging it, for organizations"
        " billed outside Stripe or before their first Stripe invoice. Without --apply,"
        " only print what the period costs."
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
            self.stdout.write("dry run: nothing saved")
            return
        try:
            author = by.strip() or system_user()
            closed = close_period_manually(organization.pk, by=author, note=note)
        except DomainError as error:
            raise command_error(error) from None
        if closed.cost is None:
            raise AssertionError("A closed period has a cost.")
        self.stdout.write(f"closed {closed.number} {plain(closed.cost)} {currency}")
