"""Credit notes, refunds and disputes of the Stripe account: money that goes back.

Refunds and disputes are of a payment and not of an invoice; which invoice it paid is in
`Invoice.payment_ids`.
"""

from datetime import datetime

from billing.gateway import calls
from billing.gateway.objects import Adjustment, Page

_CUSTOMER = ["charge"]  # expanded, because only the charge names the customer


def get_credit_note(id_: str) -> Adjustment:
    """Return a credit note, also a void one."""
    answer = calls.get(calls.object_path("credit_notes", id_))
    return Adjustment.read_credit_note(answer.as_kind("credit_note"))


def list_credit_notes(
    *, after: str = "", since: datetime | None = None, until: datetime | None = None
) -> Page[Adjustment]:
    """Return a page of credit notes, newest first."""
    return calls.page(
        "/v1/credit_notes",
        Adjustment.read_credit_note,
        **calls.list_parameters(after=after, since=since, until=until),
    )


def get_refund(id_: str) -> Adjustment:
    """Return a refund."""
    answer = calls.get(calls.object_path("refunds", id_), expand=_CUSTOMER)
    return Adjustment.read_refund(answer.as_kind("refund"))


def list_refunds(
    *,
    after: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    charge_id: str = "",
) -> Page[Adjustment]:
    """Return a page of refunds, newest first."""
    return calls.page(
        "/v1/refunds",
        Adjustment.read_refund,
        charge=charge_id or None,
        expand=[f"data.{name}" for name in _CUSTOMER],
        **calls.list_parameters(after=after, since=since, until=until),
    )


def get_dispute(id_: str) -> Adjustment:
    """Return a dispute."""
    answer = calls.get(calls.object_path("disputes", id_), expand=_CUSTOMER)
    return Adjustment.read_dispute(answer.as_kind("dispute"))


def list_disputes(
    *, after: str = "", since: datetime | None = None, until: datetime | None = None
) -> Page[Adjustment]:
    """Return a page of disputes, newest first."""
    return calls.page(
        "/v1/disputes",
        Adjustment.read_dispute,
        expand=[f"data.{name}" for name in _CUSTOMER],
        **calls.list_parameters(after=after, since=since, until=until),
    )
