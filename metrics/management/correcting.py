"""Options, batches, and number formats that correcting commands share."""

import argparse
import getpass
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.management import BaseCommand, CommandError
from tqdm import tqdm

from metrics.commands.corrections import hash_arguments
from metrics.commands.recompute import CorrectionSpec
from metrics.models.corrections import CorrectionKind
from orgs.decimals import plain
from orgs.management.loading import find_white_label
from orgs.models import Organization, WhiteLabel
from orgs.models.organizations import OrganizationQuerySet

_ID_DIGITS = 18
_MAX_KEY = 200


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The idempotency key of a command's change.

    With `is_refused` it was made of the arguments, and a second change is refused.
    Empty with `--again`.
    """

    key: str
    is_refused: bool


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say whether a change may be made twice."""
    parser.add_argument(
        "--key",
        default="",
        metavar="TEXT",
        help="Name of this change: run twice with the same name, it is made once.",
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="Make the same change a second time in the open period.",
    )


def request_key(options: dict[str, Any], arguments: Sequence[object]) -> RequestKey:
    """Return the key of a change: `--key`, or else one made of the arguments.

    Raises `CommandError` for an invalid `--key`, or one together with `--again`.
    """
    key, is_again = options["key"].strip(), options["again"]
    if key and is_again:
        raise CommandError("Give --key or --again, not both.")
    if len(key) > _MAX_KEY or not key.isprintable():
        raise CommandError(f"--key takes up to {_MAX_KEY} printable characters.")
    if key or is_again:
        return RequestKey(f"key-{key}" if key else "", is_refused=False)
    return RequestKey(f"arguments-{hash_arguments(arguments)}", is_refused=True)


@dataclass(frozen=True, slots=True)
class OrganizationSelection:
    """Selected organizations of a white label, including deleted ones."""

    white_label: WhiteLabel
    organizations: OrganizationQuerySet

    def batches(self, size: int) -> Iterator[list[int]]:
        """Yield batches of IDs in ascending order, including new organizations."""
        last = 0
        ids = self.organizations.order_by("pk").values_list("pk", flat=True)
        while batch := list(ids.filter(pk__gt=last)[:size]):
            yield batch
            last = batch[-1]


def select_organizations(
    white_label: str | None, organization: str | None
) -> OrganizationSelection:
    """Return one organization, or all of a white label.

    Raises `CommandError` if neither is given or the organization is not found.
    """
    label = find_white_label(white_label) if white_label else None
    if organization is not None:
        match = _find_organization(organization, label)
        organizations = Organization.objects.filter(pk=match.pk)
        return OrganizationSelection(match.white_label, organizations)
    if label is None:
        raise CommandError("Choose an --organization or a --white-label.")
    return OrganizationSelection(label, Organization.objects.filter(white_label=label))


def _find_organization(name: str, label: WhiteLabel | None) -> Organization:
    """Return the organization with this external ID or ID.

    Raises `CommandError` if there is none, or if the name matches several.
    """
    organizations = Organization.objects.select_related("white_label")
    query = organizations.filter(external_id=name)
    if name.isascii() and name.isdigit() and len(name) <= _ID_DIGITS:
        query |= organizations.filter(pk=int(name))
    if label is not None:
        query = query.filter(white_label=label)
    matches = list(query.order_by("pk")[:5])
    if not matches:
        where = f" in {label.slug}" if label else ""
        raise CommandError(f"Organization {name!r} not found{where}.")
    if len(matches) > 1:
        listed = ", ".join(
            f"ID {match.pk} ({match.external_id} of {match.white_label.slug})"
            for match in matches
        )
        raise CommandError(
            f"{name!r} matches several organizations: {listed}. Add --white-label, or"
            " use the other ID."
        )
    return matches[0]


class CorrectingCommand(BaseCommand):
    """A management command that compares by default and corrects with --apply.

    Each batch is a transaction. A command that was stopped has corrected the batches
    before; run again, it finds them correct and continues.
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
        """Return the author and reason with --apply, None without.

        Raises `CommandError` for invalid options.
        """
        if options["batch"] < 1:
            raise CommandError("--batch must be at least 1.")
        if not options["apply"]:
            return None
        if not options["note"].strip():
            raise CommandError("--apply needs --note with the reason.")
        by = options["by"].strip() or system_user()
        return CorrectionSpec(self.kind, by=by, note=options["note"].strip())

    def batches(self, chosen: OrganizationSelection, size: int) -> Iterator[list[int]]:
        """Yield batches of organization IDs; show a progress bar on a terminal."""
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
    """Return the name of the operating system's user.

    Raises `CommandError` if it has none, as in some containers.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise CommandError(
            "The system user is unknown. Name yourself with --by."
        ) from None


def signed(number: Decimal) -> str:
    """Return a number as `orgs.decimals.plain` does, with its sign."""
    return ("+" if number >= 0 else "") + plain(number)
