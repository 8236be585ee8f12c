"""Command that previews a change of credit, and with --apply makes it."""

import argparse
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management import BaseCommand, CommandError

from billing.errors import BalanceTooLow
from billing.ledger.commands.credits import (
    OnceOnly,
    check_amount,
    grant_credit,
    take_back_credit,
)
from billing.ledger.queries.credits import CreditPreview, preview_credit
from billing.models import CreditEntry
from metrics.management.correcting import (
    add_key_arguments,
    request_key,
    select_organizations,
    system_user,
)
from metrics.queries.periods import list_open_periods
from orgs.decimals import plain
from orgs.errors import AlreadyDone, DomainError
from orgs.management.loading import command_error
from orgs.models import Organization


class Command(BaseCommand):
    help = (
        "Add credit or free balance in the white label's currency; a negative amount"
        " removes it. Without --apply, only print what the open bill would become. The"
        " same change is made once in a billing period, unless --again is given."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--white-label", metavar="SLUG")
        parser.add_argument(
            "--organization",
            required=True,
            metavar="ID",
            help="Orgdesk ID or external ID",
        )
        parser.add_argument("--kind", choices=CreditEntry.Kind.values, default="credit")
        parser.add_argument("--amount", required=True, help="negative to remove")
        parser.add_argument(
            "--apply", action="store_true", help="save the change; requires --note"
        )
        parser.add_argument("--note", default="", help="reason, kept in the history")
        parser.add_argument(
            "--by", default="", help="name for the history; default: the system user"
        )
        add_key_arguments(parser)

    def handle(self, *, kind: str, apply: bool, **options: Any) -> None:
        amount = _parse_amount(options["amount"])
        selection = select_organizations(
            options["white_label"], options["organization"]
        )
        organization = selection.organizations.select_related("white_label").get()
        preview = preview_credit(organization, kind=kind, amount=amount)
        try:
            check_amount(organization.pk, abs(amount))
            if apply:
                _change(organization, kind, amount, options)
            elif not preview.is_allowed:
                raise BalanceTooLow(_summarize(preview, kind, ""), fields=("amount",))
        except AlreadyDone as error:
            raise CommandError(f"{error.message} Add --again to repeat it.") from None
        except DomainError as error:
            raise command_error(error) from None
        self.stdout.write(_summarize(preview, kind, organization.white_label.currency))
        self.stdout.write("applied" if apply else "dry run: nothing saved")


def _parse_amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise CommandError(f"{text!r} is not a valid amount.") from None
    if not amount.is_finite():
        raise CommandError(f"{text!r} is not a valid amount.")
    return amount


def _change(
    organization: Organization, kind: str, amount: Decimal, options: dict[str, Any]
) -> None:
    note, period = options["note"].strip(), list_open_periods([organization.pk])[0]
    key = request_key(options, ("credit", period.number, kind, plain(amount), note))
    change = take_back_credit if amount < 0 else grant_credit
    change(
        organization.pk,
        kind=kind,
        amount=abs(amount),
        note=note,
        by=options["by"].strip() or system_user(),
        once=OnceOnly(key.key, key.is_refused) if key.key else None,
    )


def _summarize(preview: CreditPreview, kind: str, currency: str) -> str:
    if not preview.is_allowed:
        return f"{kind} balance {plain(preview.balances.get(kind))} is too low"
    return (
        f"{kind} {plain(preview.balances.get(kind))}"
        f" then {plain(preview.changed_balances.get(kind))} {currency},"
        f" open bill {plain(preview.before.total)} then {plain(preview.after.total)}"
    )
