"""What happened to an organization's money, newest first: asked, changed, billed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from billing.models import StripeAction
from billing.queries.actions import ActionFacts, list_actions
from orgs.queries.history import Change, FieldChange, list_changes

SHOWN = 40
_MIRRORS = ("subscription", "invoice")
_INVOICE_WORDS = {
    "draft": "is a draft",
    "open": "was sent",
    "paid": "was paid",
    "void": "was voided",
    "uncollectible": "was given up as uncollectible",
}
# What moves with every cycle and says nothing that the status does not.
_NOISE = {"synced at", "white label", "hosted url", "stripe", "organization"}


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened; `fields` are before and after, `why` is a note."""

    at: datetime
    kind: Literal["action", "subscription", "invoice"]
    title: str
    who: str  # empty: a command or worker
    why: str
    tone: Literal["", "good", "warn", "bad"] = ""
    detail: str = ""
    fields: tuple[FieldChange, ...] = ()
    action_id: int | None = None


def timeline(organization_id: int, *, limit: int = SHOWN) -> list[Moment]:
    """Three statements: what was asked, and the history of both mirrors."""
    actions = map(_of_action, list_actions(organization_id, limit=limit))
    changes = list_changes(organization_id, of=_MIRRORS)
    moments = [*actions, *_of_changes(changes)]
    return sorted(moments, key=lambda one: one.at, reverse=True)[:limit]


def _of_action(action: ActionFacts) -> Moment:
    tones: dict[str, Literal["", "good", "warn", "bad"]] = {
        StripeAction.State.DONE: "good",
        StripeAction.State.FAILED: "" if action.is_called_off else "bad",
    }
    return Moment(
        action.finished_at or action.created_at,
        "action",
        action.label,
        action.requested_by,
        action.note,
        tone=tones.get(action.state, "warn"),
        detail=action.error or action.asks,
        action_id=action.id,
    )


def _of_changes(changes: list[Change]) -> Iterator[Moment]:
    for change in changes:
        fields = tuple(one for one in change.fields if one.name not in _NOISE)
        if change.verb != "changed" or fields:
            yield Moment(
                change.at,
                "invoice" if change.what == "invoice" else "subscription",
                _title(change),
                change.who,
                change.why,
                fields=fields,
            )


def _title(change: Change) -> str:
    status = next((one.after for one in change.fields if one.name == "status"), "")
    named = f"{change.what.capitalize()} {change.subject}"
    if change.what == "invoice" and status in _INVOICE_WORDS:
        return f"{named} {_INVOICE_WORDS[status]}"
    return f"{named} {change.verb}"
