"""`decide_charge`: charges that Stripe's invoices lack, and what becomes of them."""

import argparse
from decimal import Decimal
from typing import Any

from django.core.management import BaseCommand, CommandError

from billing.ledger.queries.differences import (
    ChargeDifference,
    find_difference,
    list_organization_differences,
)
from billing.models import ChargeDecision
from billing.stripe.commands.charge_decisions import decide_charge
from metrics.management.correcting import select_organizations, system_user
from orgs.decimals import plain
from orgs.errors import DomainError
from orgs.management.loading import command_error
from orgs.models.fields import new_key


class Command(BaseCommand):
    help = (
        "List an organization's charges that Stripe's invoices lack or have twice. With"
        " --charge and --decision, charge the amount again on the next draft, write it"
        " off, or return it as credit; --apply saves."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--white-label", metavar="SLUG")
        parser.add_argument(
            "--organization",
            required=True,
            metavar="ID",
            help="Orgdesk ID or external ID",
        )
        parser.add_argument("--charge", type=int, metavar="ID")
        parser.add_argument("--decision", choices=ChargeDecision.Kind.values)
        parser.add_argument(
            "--apply", action="store_true", help="save the decision; requires --note"
        )
        parser.add_argument("--note", default="", help="reason, kept in the history")
        parser.add_argument(
            "--by", default="", help="name for the history; default: the system user"
        )
        parser.add_argument(
            "--key",
            default="",
            metavar="TEXT",
            help="name of this decision: run twice with the same name, it is made once",
        )

    def handle(self, *, apply: bool, **options: Any) -> None:
        selection = select_organizations(
            options["white_label"], options["organization"]
        )
        organization_id = selection.organizations.values_list("pk", flat=True).get()
        rows = list_organization_differences(organization_id)
        for row in rows:
            self.stdout.write(_describe(row))
        if options["charge"] is None:
            self.stdout.write(f"differences {len(rows)}")
            return
        chosen = find_difference(options["charge"])
        if chosen is None or chosen.organization_id != organization_id:
            raise CommandError(f"Charge {options['charge']} not found.")
        if options["decision"] is None:
            raise CommandError("--charge needs --decision.")
        if not apply:
            self.stdout.write("dry run: nothing saved")
            return
        self._decide(chosen, options)

    def _decide(self, row: ChargeDifference, options: dict[str, Any]) -> None:
        try:
            decision = decide_charge(
                row.charge_id,
                options["decision"],
                note=options["note"],
                by=options["by"].strip() or system_user(),
                key=options["key"].strip() or new_key(),
            )
        except DomainError as error:
            raise command_error(error) from None
        self.stdout.write(f"{decision.kind} {_money(decision.amount, row)}")


def _describe(row: ChargeDifference) -> str:
    return (
        f"charge {row.charge_id} period {row.period} {row.product or 'credit'}"
        f" charged {_money(row.amount, row)} on invoices {plain(row.observed)}"
        f" difference {plain(row.open_amount)}: {row.cause.lower()}"
        f" ({row.invoice_stripe_id})"
    )


def _money(amount: Decimal, row: ChargeDifference) -> str:
    return f"{plain(amount)} {row.currency}"
