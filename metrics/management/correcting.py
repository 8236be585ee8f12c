"""What the correcting commands share: whose usage, who corrects, batches, progress."""

import argparse
import getpass
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.management import BaseCommand, CommandError
from tqdm import tqdm

from metrics.commands.recompute import CorrectionSpec
from metrics.models.corrections import CorrectionKind
from orgs.management.loading import find_white_label
from orgs.models import Organization, WhiteLabel
from orgs.models.organizations import OrganizationQuerySet

_ID_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Chosen:
    """Organizations of one white label; deleted ones have usage, too."""

    white_label: WhiteLabel
    organizations: OrganizationQuerySet

    def batches(self, size: int) -> Iterator[list[int]]:
        """Ids in ascending order, some at a time; new ones are met if they come."""
        last = 0
        ids = self.organizations.order_by("pk").values_list("pk", flat=True)
        while batch := list(ids.filter(pk__gt=last)[:size]):
            yield batch
            last = batch[-1]


def choose(white_label: str | None, organization: str | None) -> Chosen:
    """One organization, or all of a white label; `CommandError` if it is not clear."""
    label = find_white_label(white_label) if white_label else None
    if organization is not None:
        found = _find(organization, label)
        one = Organization.objects.filter(pk=found.pk)
        return Chosen(found.white_label, one)
    if label is None:
        raise CommandError("Choose an --organization or a --white-label.")
    return Chosen(label, Organization.objects.filter(white_label=label))


def _find(name: str, label: WhiteLabel | None) -> Organization:
    """By the company's id, or by ours; never guessed when a name says two."""
    organizations = Organization.objects.select_related("white_label")
    found = organizations.filter(external_id=name)
    if name.isascii() and name.isdigit() and len(name) <= _ID_DIGITS:
        found |= organizations.filter(pk=int(name))
    if label is not None:
        found = found.filter(white_label=label)
    some = list(found.order_by("pk")[:5])
    if not some:
        where = f" in {label.slug}" if label else ""
        raise CommandError(f"Organization {name!r} not found{where}.")
    if len(some) > 1:
        listed = ", ".join(
            f"ID {one.pk} ({one.external_id} of {one.white_label.slug})" for one in some
        )
        raise CommandError(
            f"{name!r} matches several organizations: {listed}. Add --white-label, or"
            " use the other ID."
        )
    return some[0]


class CorrectingCommand(BaseCommand):
    """A command that compares by default and corrects with --apply.

    Each batch is a transaction: stopped in the middle it has corrected the batches
    before, and started again it finds them right and goes on.
    """

    batch_size = 100
    kind: CorrectionKind

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--white-label", metavar="SLUG", help="All organizations of a white label."
        )
        parser.add_argument(
            "--organization", metavar="ID", help="One organization; ID or external ID."
        )
        parser.add_argument(
            "--apply", action="store_true", help="Write the changes; needs --note."
        )
        parser.add_argument("--note", default="", help="The reason, for the history.")
        parser.add_argument(
            "--by", default="", help="Who makes the change; default: the system user."
        )
        parser.add_argument(
            "--batch",
            type=int,
            default=self.batch_size,
            metavar="N",
            help=f"Organizations per transaction; default: {self.batch_size}.",
        )

    def correction(self, **options: Any) -> CorrectionSpec | None:
        """Who and why, with --apply."""
        if options["batch"] < 1:
            raise CommandError("--batch must be at least 1.")
        if not options["apply"]:
            return None
        if not options["note"].strip():
            raise CommandError("--apply needs --note with the reason.")
        by = options["by"].strip() or system_user()
        return CorrectionSpec(self.kind, by=by, note=options["note"].strip())

    def batches(self, chosen: Chosen, size: int) -> Iterator[list[int]]:
        """The organizations' ids, with a bar that moves when a batch is done."""
        with tqdm(
            total=chosen.organizations.count(),
            unit="organizations",
            disable=None,  # only on a terminal
            file=sys.stderr,
        ) as bar:
            for batch in chosen.batches(size):
                yield batch
                bar.update(len(batch))


def system_user() -> str:
    """The system's name of who runs this; a container's user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise CommandError(
            "The system user is unknown. Name yourself with --by."
        ) from None


def plain(number: Decimal | int) -> str:
    """Exact, without an exponent and without zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def signed(number: Decimal) -> str:
    return ("+" if number >= 0 else "") + plain(number)
