"""The timeline of an organization's billing: actions, changes and invoices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from billing.models import Invoice, StripeAction
from billing.stripe.queries.actions import ActionFacts, list_actions
from orgs.queries.history import Change, FieldChange, list_changes

MAX_ENTRIES = 40
Tone = Literal["", "good", "warn", "bad"]
_SUBSCRIPTION, _INVOICE = "subscription", "invoice"
_UNUSUAL_STATUSES = {
    "void": "voided",
    "uncollectible": "marked uncollectible",
}
# Fields that change with every sync or cycle and add nothing to the others.
_IGNORED_FIELDS = {"synced at", "white label", "stripe", "organization"}


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A change in an organization's billing at an instant in UTC."""

    at: datetime
    title: str
    changed_by: str = ""  # empty: Stripe, a command or a worker
    reason: str = ""
    tone: Tone = ""
    state: str = ""  # of an action that is not done
    detail: str = ""
    amount: Decimal | None = None
    currency: str = ""
    fields: tuple[FieldChange, ...] = ()  # values before and after
    action_id: int | None = None


def timeline(
    organization_id: int, *, invoices: Sequence[Invoice], limit: int = MAX_ENTRIES
) -> list[TimelineEntry]:
    """Return the newest entries of an organization's billing timeline.

    Runs three statements: requested actions and the histories of subscriptions and
    invoices. The caller has read `invoices` already.
    """
    entries = [
        *map(_action_entry, list_actions(organization_id, limit=limit)),
        *_change_entries(
            list_changes(organization_id, models=(_SUBSCRIPTION, _INVOICE))
        ),
        *_invoice_entries(invoices),
    ]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]


def _action_entry(action: ActionFacts) -> TimelineEntry:
    tone, state = _action_state(action)
    return TimelineEntry(
        action.finished_at or action.created_at,
        action.label,
        action.requested_by,
        action.note,
        tone=tone,
        state=state,
        detail=action.error or action.summary,
        action_id=action.id,
    )


def _action_state(action: ActionFacts) -> tuple[Tone, str]:
    if action.is_canceled:
        return "", "Canceled"
    if action.is_unfinished:
        return "warn", "Scheduled" if action.is_scheduled else "In progress"
    return ("", "") if action.state == StripeAction.State.DONE else ("bad", "Failed")


def _change_entries(changes: list[Change]) -> Iterator[TimelineEntry]:
    """Yield the changes of subscriptions and the unusual changes of invoices.

    Issued and paid invoices have entries made from the invoices themselves.
    """
    for change in changes:
        fields = tuple(
            field for field in change.fields if field.name not in _IGNORED_FIELDS
        )
        status = next((field.after for field in fields if field.name == "status"), "")
        if change.model == _INVOICE and status in _UNUSUAL_STATUSES:
            title = f"Invoice {change.subject} {_UNUSUAL_STATUSES[status]}"
            yield TimelineEntry(
                change.at, title, change.user, change.reason, tone="warn"
            )
        elif change.model == _SUBSCRIPTION and (fields or change.verb != "changed"):
            title = f"Subscription {change.subject} {change.verb}"
            yield TimelineEntry(
                change.at, title, change.user, change.reason, fields=fields
            )


def _invoice_entries(invoices: Sequence[Invoice]) -> Iterator[TimelineEntry]:
    for invoice in invoices:
        verb = "drafted" if invoice.status == Invoice.Status.DRAFT else "issued"
        yield TimelineEntry(
            invoice.issued_at,
            f"Invoice {invoice} {verb}",
            amount=invoice.total,
            currency=invoice.currency,
        )
        if invoice.paid_at:
            yield TimelineEntry(
                invoice.paid_at,
                f"Invoice {invoice} paid",
                amount=invoice.amount_paid,
                currency=invoice.currency,
            )
