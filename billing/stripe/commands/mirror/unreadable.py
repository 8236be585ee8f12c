"""Objects of Stripe that could not be read or stored: each is a discrepancy."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from billing import gateway
from billing.models import Discrepancy
from billing.stripe.commands import discrepancies
from billing.stripe.commands.discrepancies import Difference
from billing.stripe.commands.mirror.fetches import FetchContext
from billing.stripe.commands.mirror.owners import Owner, find_owners, is_in_scope

_LONGEST_ID, _LONGEST_REASON = 255, 500


@dataclass(frozen=True, slots=True)
class UnreadableObject:
    """An object that could not be read, and why."""

    stripe_id: str
    reason: str
    customer_id: str = ""  # empty: unknown

    @classmethod
    def from_error(cls, error: gateway.Malformed) -> "UnreadableObject":
        """Return the object of an error of the gateway."""
        return cls(error.stripe_id, str(error), error.customer_id)


def record_malformed(page: gateway.Page[Any], context: FetchContext) -> int:
    """Record the objects of a page that could not be read; return how many."""
    return record_errors(page.malformed, context)


def record_errors(errors: Sequence[gateway.Malformed], context: FetchContext) -> int:
    """Record the objects of errors of the gateway; return how many."""
    if not errors:
        return 0
    return record_unreadable(map(UnreadableObject.from_error, errors), context)


@transaction.atomic
def record_unreadable(
    objects: Iterable[UnreadableObject], context: FetchContext
) -> int:
    """Record a discrepancy for each object; return how many.

    One of a linked customer is shown to its white label, one of an unknown customer
    only to those who may see all. It is resolved when the object is read again.
    """
    objects = [item for item in objects if item.stripe_id]
    owners = find_owners({item.customer_id for item in objects} - {""})
    differences = list(_list_differences(objects, owners, context))
    discrepancies.record(differences, run_id=context.run_id)
    return len(differences)


def _list_differences(
    objects: Iterable[UnreadableObject],
    owners: dict[str, Owner],
    context: FetchContext,
) -> Iterator[Difference]:
    """Yield the differences of the white label of a run, each object once."""
    by_id = {item.stripe_id: item for item in objects}
    for item in by_id.values():
        owner = owners.get(item.customer_id)
        if owner is not None and not is_in_scope(owner, context.white_label_id):
            continue
        yield Difference(
            Discrepancy.Kind.UNREADABLE,
            item.stripe_id[:_LONGEST_ID],
            "",
            item.reason[:_LONGEST_REASON],
            stripe_read_at=context.at,
            organization_id=owner.organization_id if owner else None,
            white_label_id=owner.white_label_id if owner else None,
        )


def resolve_readable(stripe_ids: Iterable[str], context: FetchContext) -> None:
    """Resolve the discrepancies of objects that could be read now."""
    discrepancies.resolve_absent(
        list(stripe_ids),
        remaining=(),
        at=context.at,
        by=context.by,
        kinds=[Discrepancy.Kind.UNREADABLE],
    )
