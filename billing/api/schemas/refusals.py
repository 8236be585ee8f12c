"""Response schemas of explained access and of the history of refusals."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.access.queries.explanations import AccessExplanation, ExplainedReason
from billing.access.queries.lifting import LiftingAction
from billing.access.texts import reason_text
from billing.models import AccessRefusal, RefusalReason
from metrics.schemas.charts import number

_AMOUNTS = ("limit", "used", "free_balance")
_FACTS = (
    "The figures of the reason. Of `hard_limit` and `soft_limit`: `limit`, `used` (the"
    " cost after free balance), and `currency`; of `unpaid` and `past_due`: `invoices`"
    " and `owed` by currency; of `paused`: `pause_reason`; of `trial_over`:"
    " `trial_ended_at`. New ones may be added."
)


class LiftingActionOut(Schema):
    """An action that lifts a reason."""

    kind: str = Field(
        description="`restore`, `activate`, `resume_subscription`, `payment_link`,"
        " `resolve_discrepancies`, `sync`, `extend_trial`, `start_subscription`,"
        " `raise_hard_limit`, `add_free_balance`, or `close_period`; `period_reset` and"
        " `evaluation` happen without anyone. New ones may be added."
    )
    label: str = Field(description="The action, as a text for people.")
    url: str | None = Field(
        description="The path of the form; null if it happens without a person."
    )
    scope: str | None = Field(description="The scope that the action requires.")
    problem: str | None = Field(
        description="Why the action is not possible now; null if it is."
    )
    amount: float | None = Field(
        description="The new limit, or the free balance to add; null for others."
    )
    currency: str | None = Field(description="The currency of `amount`.")
    at: AwareDatetime | None = Field(description="When it happens, if that is known.")
    owed: dict[str, float] | None = Field(
        description="What invoices have to be paid, by currency."
    )
    restores_access: bool = Field(
        description="Whether no other reason refuses access afterwards."
    )


class ExplainedReasonOut(Schema):
    """A reason to refuse access, or a warning, with what lifts it."""

    code: str = Field(
        description="The code of the reason as in `access`; of a warning `hard_limit`,"
        " `soft_limit`, `past_due`, or `trial_ending`."
    )
    message: str = Field(description="The reason with its figures, for people.")
    since: AwareDatetime | None = Field(description="Since when it applies.")
    facts: dict[str, Any] = Field(description=_FACTS)
    actions: list[LiftingActionOut] = Field(
        description="The smallest actions that lift the reason; any of them does."
    )


class AccessActionsOut(Schema):
    """The access of an organization, explained."""

    allowed: bool = Field(description="Whether API requests should be served.")
    since: AwareDatetime | None = Field(
        description="Since when access is refused; null if it is allowed."
    )
    reasons: list[ExplainedReasonOut] = Field(
        description="Why access is refused, most severe first. All have to be lifted."
    )
    warnings: list[ExplainedReasonOut] = Field(
        description="What does not refuse access yet."
    )


class LiftedOut(Schema):
    """What lifted a reason, and who."""

    kind: str = Field(
        description="`restored`, `activated`, `resumed`, `paid`, `subscribed`,"
        " `trial_extended`, `subscription_changed`, `subscription_ended`,"
        " `limit_raised`, `limit_removed`, `period_reset`, `balance_added`, or"
        " `cost_reduced`."
    )
    message: str = Field(description="The same as a text for people.")
    by: str | None = Field(description="The person, or Stripe; null if not known.")
    note: str = Field(description="The note that was entered with the change.")


class RefusalReasonOut(Schema):
    """A reason of a refusal."""

    code: str = Field(description="The code of the reason as in `access`.")
    message: str = Field(description="The reason with its figures at the beginning.")
    started_at: AwareDatetime = Field(description="When the reason began to apply.")
    ended_at: AwareDatetime | None = Field(
        description="When it ceased to apply; null if it still does."
    )
    facts: dict[str, Any] = Field(description=_FACTS)
    lifted: LiftedOut | None = Field(description="What ended it; null if nothing did.")


class AccessRefusalOut(Schema):
    """A time in which access was refused."""

    id: int = Field(description="The ID of the refusal.")
    started_at: AwareDatetime = Field(description="When access began to be refused.")
    ended_at: AwareDatetime | None = Field(
        description="When it was allowed again; null if it is refused now."
    )
    reasons: list[RefusalReasonOut] = Field(description="All reasons in that time.")


class AccessHistoryOut(Schema):
    """A page of the times in which access was refused."""

    refusals: list[AccessRefusalOut] = Field(description="The newest first.")
    next_cursor: str | None = Field(
        description="The `cursor` of the next page; null on the last page."
    )


def actions_body(explanation: AccessExplanation) -> bytes:
    """Return `AccessActionsOut` as JSON; amounts are numbers with all their digits."""
    body = {
        "allowed": explanation.is_allowed,
        "since": explanation.since,
        "reasons": [_reason(row) for row in explanation.reasons],
        "warnings": [_reason(row) for row in explanation.warnings],
    }
    return orjson.dumps(body, option=orjson.OPT_UTC_Z)


def _reason(row: ExplainedReason) -> dict[str, Any]:
    return {
        "code": row.code,
        "message": row.message,
        "since": row.since,
        "facts": _facts(row.facts),
        "actions": [_action(action) for action in row.actions],
    }


def _action(action: LiftingAction) -> dict[str, Any]:
    return {
        "kind": action.kind.value,
        "label": action.label,
        "url": action.url or None,
        "scope": action.scope,
        "problem": action.problem or None,
        "amount": None if action.amount is None else number(action.amount),
        "currency": action.currency or None,
        "at": action.at,
        "owed": None if action.owed is None else _amounts(action.owed),
        "restores_access": action.restores_access,
    }


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored facts with their amounts as numbers."""
    shown = {name: value for name, value in facts.items() if name != "limit_version"}
    for name in _AMOUNTS:
        if shown.get(name) is not None:
            shown[name] = number(Decimal(shown[name]))
    if "owed" in shown:
        shown["owed"] = _amounts(shown["owed"])
    return shown


def _amounts(owed: Mapping[str, Decimal | str]) -> dict[str, orjson.Fragment]:
    return {currency: number(Decimal(amount)) for currency, amount in owed.items()}


def history_body(
    refusals: Sequence[AccessRefusal], next_cursor: str | None, zone: ZoneInfo
) -> bytes:
    """Return `AccessHistoryOut` as JSON; days in messages are those of the zone."""
    rows = [
        {
            "id": row.pk,
            "started_at": row.started_at,
            "ended_at": row.ended_at,
            "reasons": [_past_reason(reason, zone) for reason in row.reasons.all()],
        }
        for row in refusals
    ]
    body = {"refusals": rows, "next_cursor": next_cursor}
    return orjson.dumps(body, option=orjson.OPT_UTC_Z)


def _past_reason(reason: RefusalReason, zone: ZoneInfo) -> dict[str, Any]:
    lifted = {
        "kind": reason.lifting,
        "message": reason.get_lifting_display(),
        "by": reason.lifted_by or None,
        "note": reason.note,
    }
    return {
        "code": reason.code,
        "message": reason_text(reason.code, reason.facts, zone),
        "started_at": reason.started_at,
        "ended_at": reason.ended_at,
        "facts": _facts(reason.facts),
        "lifted": lifted if reason.ended_at else None,
    }
