"""An organization's badges: its plan, and the reasons why it needs action."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from billing.ledger.queries.facts import BillingFacts, billing_facts
from billing.models import Subscription
from billing.needs_action.kinds import (
    GROUPS,
    TONES,
    ReasonGroup,
    ReasonKind,
    Tone,
)
from billing.needs_action.queries.reasons import (
    OrganizationInNeed,
    Reason,
    list_reasons,
)
from billing.needs_action.queries.texts import reason_text
from orgs.days import days_until
from orgs.models import Organization
from orgs.web.templatetags.display import defined

_BRIEF = 28  # characters of a badge in a column
# The texts of other kinds may have amounts.
_WITHOUT_AMOUNTS = frozenset({
    *GROUPS[ReasonGroup.TRIALS],
    ReasonKind.ENTITLEMENT, ReasonKind.ENTITLEMENT_FORECAST, ReasonKind.PAUSED,
    ReasonKind.NO_USAGE, ReasonKind.INACTIVE, ReasonKind.INTEGRATION_FAILING,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Badge:
    """A short status with a tone."""

    label: str
    tone: Tone = ""
    html: str = ""  # the label with the definition of its number, if it has one


def list_badges(
    organization: Organization,
    *,
    now: datetime,
    facts: BillingFacts | None = None,
    shows_money: bool = True,
) -> list[Badge]:
    """Return the badges of one organization.

    Two statements, and one more unless `facts` are given.
    """
    facts = facts or billing_facts([organization.pk])[organization.pk]
    need = list_reasons([organization.pk], now=now).get(organization.pk)
    return build_badges(organization, facts, need, now=now, shows_money=shows_money)


def build_badges(
    organization: Organization,
    facts: BillingFacts,
    need: OrganizationInNeed | None,
    *,
    now: datetime,
    is_brief: bool = False,
    shows_money: bool = True,
) -> list[Badge]:
    """Return the badge of the plan, and one of each reason, the heaviest first.

    The reasons are those of Needs action: an open one has the tone of its severity, and
    a snoozed one, which comes last, has none. `is_brief` names the kind of a reason
    where its text is too long for a column, and without `shows_money` also where the
    text may have amounts.
    """
    reasons = need.reasons if need else []
    snoozed = need.snoozed if need else []
    style = _Style(now, is_brief, shows_money)
    return [
        *([Badge("Deleted", "bad")] if organization.deleted_at else []),
        *_plan(facts, [*reasons, *snoozed]),
        *(_open(reason, organization, style) for reason in reasons),
        *(_snoozed(reason, organization, style) for reason in snoozed),
    ]


def _plan(facts: BillingFacts, reasons: Sequence[Reason]) -> list[Badge]:
    """Return the plan; of a trial only if no reason states when it ends."""
    if facts.tier is None or facts.status is None:
        return [Badge("No subscription")]
    if facts.status != Subscription.Status.TRIALING:
        return [Badge(f"{facts.tier.title()} · {facts.cycle}")]
    is_stated = any(reason.kind in GROUPS[ReasonGroup.TRIALS] for reason in reasons)
    return [] if is_stated else [Badge("Trial")]


class _Style(NamedTuple):
    """How reasons are worded."""

    now: datetime
    is_brief: bool
    shows_money: bool


def _text(reason: Reason, organization: Organization, style: _Style) -> str:
    if not style.shows_money and reason.kind not in _WITHOUT_AMOUNTS:
        return reason.definition.label
    text = reason_text(reason, organization.white_label, style.now)
    is_long = style.is_brief and len(text) > _BRIEF
    return reason.definition.label if is_long else text


def _open(reason: Reason, organization: Organization, style: _Style) -> Badge:
    label = organization.white_label
    text = _text(reason, organization, style)
    tone = TONES[reason.severity]
    if reason.kind is ReasonKind.TRIAL_ENDING and reason.at is not None:
        days = days_until(reason.at, style.now, label.zone)
        number, id_ = "organization.trial_days_left", organization.pk
        return Badge(text, tone, defined(text, days, "days", number=number, of=id_))
    return Badge(text, tone)


def _snoozed(reason: Reason, organization: Organization, style: _Style) -> Badge:
    text = _text(reason, organization, style)
    return Badge(f"{text}, snoozed")
