"""What happened to an organization's money, newest first: asked, changed, billed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from billing.models import Invoice, StripeAction
from billing.stripe.queries.actions import ActionFacts, list_actions
from orgs.queries.history import Change, FieldChange, list_changes

SHOWN = 40
Tone = Literal["", "good", "warn", "bad"]
_SUBSCRIPTION, _INVOICE = "subscription", "invoice"
_UNUSUAL = {
    "void": "voided",
    "uncollectible": "marked uncollectible",
}
# What moves with every cycle and says nothing that the rest does not.
_NOISE = {"synced at", "white label", "stripe", "organization"}


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened; `fields` are before and after, `why` is a note."""

    at: datetime
    title: str
    who: str = ""  # empty: Stripe itself, a command or a worker
    why: str = ""
    tone: Tone = ""
    state: str = ""  # of what was asked and is not done
    detail: str = ""
    amount: Decimal | None = None
    currency: str = ""
    fields: tuple[FieldChange, ...] = ()
    action_id: int | None = None


def timeline(
    organization_id: int, *, invoices: Sequence[Invoice], limit: int = SHOWN
) -> list[Moment]:
    """Three statements: what was asked, and both histories; `invoices` are known."""
    moments = [
        *map(_of_action, list_actions(organization_id, limit=limit)),
        *_of_changes(list_changes(organization_id, models=(_SUBSCRIPTION, _INVOICE))),
        *_of_invoices(invoices),
    ]
    return sorted(moments, key=lambda one: one.at, reverse=True)[:limit]


def _of_action(action: ActionFacts) -> Moment:
    tone, state = _state_of(action)
    return Moment(
        action.finished_at or action.created_at,
        action.label,
        action.requested_by,
        action.note,
        tone=tone,
        state=state,
        detail=action.error or action.asks,
        action_id=action.id,
    )


def _state_of(action: ActionFacts) -> tuple[Tone, str]:
    if action.is_canceled:
        return "", "Canceled"
    if action.is_unfinished:
        return "warn", "Scheduled" if action.is_planned else "In progress"
    return ("", "") if action.state == StripeAction.State.DONE else ("bad", "Failed")


def _of_changes(changes: list[Change]) -> Iterator[Moment]:
    """Of invoices only what is unusual: when they are made and paid, they say."""
    for change in changes:
        fields = tuple(one for one in change.fields if one.name not in _NOISE)
        status = next((one.after for one in fields if one.name == "status"), "")
        if change.model == _INVOICE and status in _UNUSUAL:
            title = f"Invoice {change.subject} {_UNUSUAL[status]}"
            yield Moment(change.at, title, change.user, change.reason, tone="warn")
        elif change.model == _SUBSCRIPTION and (fields or change.verb != "changed"):
            title = f"Subscription {change.subject} {change.verb}"
            yield Moment(change.at, title, change.user, change.reason, fields=fields)


def _of_invoices(invoices: Sequence[Invoice]) -> Iterator[Moment]:
    for row in invoices:
        verb = "drafted" if row.status == Invoice.Status.DRAFT else "issued"
        yield Moment(
            row.issued_at,
            f"Invoice {row} {verb}",
            amount=row.total,
            currency=row.currency,
        )
        if row.paid_at:
            yield Moment(
                row.paid_at,
                f"Invoice {row} paid",
                amount=row.amount_paid,
                currency=row.currency,
            )
