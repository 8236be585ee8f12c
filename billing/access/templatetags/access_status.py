"""Template tags of the status line: whether an organization has access, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from html import escape
from zoneinfo import ZoneInfo

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from billing import gateway
from billing.access.queries.explanations import (
    AccessExplanation,
    ExplainedReason,
    explain_access,
    preview_free_balance,
)
from billing.access.queries.facts import get_access_facts
from billing.access.queries.lifting import LiftingAction
from billing.access.texts import reason_text
from billing.models import CreditEntry, RefusalReason
from billing.staff import NOT_CONNECTED, READ_ONLY
from orgs import access
from orgs.catalog import Scope
from orgs.models import Organization
from orgs.web.templatetags.display import day, day_year, instant

register = template.Library()


@dataclass(frozen=True, slots=True)
class ActionButton:
    """An action as a button or a note; disabled with a reason if it is blocked."""

    action: LiftingAction
    blocked_reason: str


@dataclass(frozen=True, slots=True)
class StatusReason:
    """A reason or warning of the status line, with its buttons."""

    reason: ExplainedReason
    buttons: Sequence[ActionButton]

    @property
    def blocked_reasons(self) -> list[str]:
        """Why buttons are disabled, each reason once."""
        return list(
            dict.fromkeys(b.blocked_reason for b in self.buttons if b.blocked_reason)
        )


@dataclass(frozen=True, slots=True)
class AccessStatus:
    """The status line of an organization for one person."""

    explanation: AccessExplanation
    reasons: Sequence[StatusReason]
    warnings: Sequence[StatusReason]
    shows_history: bool

    @property
    def has_several(self) -> bool:
        return len(self.reasons) > 1


@register.simple_tag(takes_context=True)
def access_status(
    context: template.Context, organization: Organization
) -> AccessStatus:
    """Return the status line; figures and actions for people who may read billing."""
    scopes = access.principal_of(context["request"].user).scopes
    now = timezone.now()
    if Scope.BILLING_READ not in scopes:
        return _without_figures(organization, now)
    explanation = explain_access(organization, now=now)
    return AccessStatus(
        explanation,
        [_status_reason(row, scopes) for row in explanation.reasons],
        [_status_reason(row, scopes) for row in explanation.warnings],
        shows_history=True,
    )


def _without_figures(organization: Organization, now: datetime) -> AccessStatus:
    facts = get_access_facts(organization.pk, now=now)
    reasons = tuple(
        ExplainedReason(row.code, row.message, row.since, {}, ())
        for row in facts.refusals(now)
    )
    explanation = AccessExplanation(reasons, (), facts.refused_since)
    rows = [StatusReason(row, ()) for row in reasons]
    return AccessStatus(explanation, rows, (), shows_history=False)


def _status_reason(row: ExplainedReason, scopes: frozenset[Scope]) -> StatusReason:
    return StatusReason(
        row,
        [
            ActionButton(action, _blocked_reason(action, scopes))
            for action in row.actions
        ],
    )


def _blocked_reason(action: LiftingAction, scopes: frozenset[Scope]) -> str:
    """Return why someone with these scopes cannot do it now; empty if they can."""
    if action.scope is not None and action.scope not in scopes:
        return _READ_ONLY[action.scope]
    if action.needs_stripe and not gateway.is_on():
        return NOT_CONNECTED
    return action.problem


_READ_ONLY = {
    Scope.BILLING_WRITE: READ_ONLY,
    Scope.ORGANIZATIONS_WRITE: "Your role cannot change organizations.",
}


@register.simple_tag
def reasons_after_credit(
    organization: Organization, kind: str, amount: Decimal
) -> list[str] | None:
    """Return the reasons to refuse access after a change of free balance.

    None for credit, which limits are not compared with.
    """
    if kind != CreditEntry.Kind.FREE_BALANCE:
        return None
    return preview_free_balance(organization, amount, now=timezone.now())


@register.simple_tag
def since_time(value: datetime | None, zone: tzinfo | str) -> SafeString | str:
    """Render since when access is refused: `Nov 30, 06:57 CET`, with another year."""
    if value is None:
        return ""
    zone = ZoneInfo(zone) if isinstance(zone, str) else zone
    local = value.astimezone(zone)
    is_this_year = local.year == timezone.now().astimezone(zone).year
    shown = day(local) if is_this_year else day_year(local)
    title = escape(instant(local, zone))
    return SafeString(
        f'<time datetime="{local.isoformat()}" title="{title}">'
        f"{shown}, {local:%H:%M %Z}</time>"
    )


@register.simple_tag
def refusal_reason_text(reason: RefusalReason, zone: tzinfo | str) -> str:
    """Return why access was refused, with the figures of the time when it began."""
    zone = ZoneInfo(zone) if isinstance(zone, str) else zone
    return reason_text(reason.code, reason.facts, zone)
