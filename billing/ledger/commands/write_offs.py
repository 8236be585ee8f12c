"""Writing off usage without a price: a named person bills a period without it."""

from collections.abc import Sequence

from django.db import transaction

from billing.models import BillingPeriod, UnpricedWriteOff
from billing.notes import NOTE_MISSING, require_note
from metrics.commands import recompute
from metrics.commands.carrying import ReturnedUsage, return_carried
from metrics.queries.unpriced import UnpricedUsage
from orgs.errors import KeyReused
from orgs.models import Organization
from orgs.models.fields import new_key

_MAX_NAMED = 5


def describe_unpriced(lines: Sequence[UnpricedUsage]) -> str:
    """Return the text of the refusal to close a period with unpriced usage."""
    names = [f"{line.product} {line.meter} ({line.quantity:,})" for line in lines]
    more = len(names) - _MAX_NAMED
    listed = ", ".join(names[:_MAX_NAMED]) + (f", and {more} more" if more > 0 else "")
    return (
        f"This period has usage without a price: {listed}. Add a price and re-rate the"
        " period, or confirm that it is billed without this usage."
    )


def add_write_offs(
    period: BillingPeriod,
    lines: Sequence[UnpricedUsage | ReturnedUsage],
    *,
    by: str,
    note: str,
    key: str = "",
) -> None:
    """Record that a person bills a closed period without its unpriced usage.

    Call it in the transaction that closes the period, or that returns carried usage.
    A `key` belongs to a single line.
    """
    UnpricedWriteOff.objects.bulk_create(
        UnpricedWriteOff(
            period=period,
            product=line.product,
            meter=line.meter,
            quantity=line.quantity,
            by=by[:200],
            note=note.strip(),
            idempotency_key=key or new_key(),
        )
        for line in lines
    )


@transaction.atomic
def write_off_carried(
    organization: Organization,
    product: str,
    meter: str,
    *,
    by: str,
    note: str,
    key: str = "",
) -> ReturnedUsage:
    """Write off usage that was carried into the open period, once per key; return it.

    It returns to the closed period before, unpriced for good. Raises `NotCarried` if
    nothing of the product and meter is carried, `UsagePriced` if some of it has a rate
    by now, `DomainError` without a note, and `KeyReused`.
    """
    require_note(note, code=NOTE_MISSING)
    # Under this lock, of two requests with one key the second finds the first's row.
    recompute.lock_corrections(organization.white_label)
    if key and (written_off := _find(organization, product, meter, key)):
        return written_off
    returned = return_carried(organization, product, meter, by=by, note=note.strip())
    period = BillingPeriod.objects.get(
        organization=organization, number=returned.period
    )
    add_write_offs(period, [returned], by=by, note=note, key=key)
    return returned


def _find(
    organization: Organization, product: str, meter: str, key: str
) -> ReturnedUsage | None:
    """Return what a key wrote off; raise `KeyReused` if that is other usage."""
    rows = UnpricedWriteOff.objects.filter(period__organization=organization)
    row = rows.filter(idempotency_key=key).select_related("period").first()
    if row is None:
        return None
    if (row.product, row.meter) != (product, meter):
        raise KeyReused
    return ReturnedUsage(row.period.number, product, meter, int(row.quantity))
