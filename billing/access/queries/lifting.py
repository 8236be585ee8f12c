"""The smallest actions that lift the reasons to refuse access.

An action is offered only if the decision, made again on the state that the action
leads to, no longer has the reason. Nothing is written or sent.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.urls import reverse

from billing.access.decision import AccessCase
from billing.access.queries.facts import AccessDetails
from billing.access.texts import invoice_count, local_day, owed_text, short_money
from billing.models import Discrepancy, StripeAction
from billing.models.mirrors import SubscriptionStatus
from billing.money import exactly, minor_unit
from billing.stripe.queries.actions import (
    ActionContext,
    action_context,
    blocked_reason,
)
from billing.stripe.queries.discrepancies import list_organization_discrepancies
from orgs.catalog import Scope
from orgs.models import Organization

_MAX_STEPS = 3  # units above the first amount that is tried
_ONE_DAY = timedelta(days=1)


class ActionKind(StrEnum):
    """The kinds of actions that lift a reason; two are only waited for."""

    RESTORE = "restore"
    ACTIVATE = "activate"
    RESUME = "resume_subscription"
    PAYMENT_LINK = "payment_link"
    RESOLVE = "resolve_discrepancies"
    SYNC = "sync"
    EXTEND_TRIAL = "extend_trial"
    START = "start_subscription"
    RAISE_HARD_LIMIT = "raise_hard_limit"
    ADD_FREE_BALANCE = "add_free_balance"
    CLOSE_PERIOD = "close_period"
    PERIOD_RESET = "period_reset"  # happens by itself
    EVALUATION = "evaluation"  # happens by itself


@dataclass(frozen=True, slots=True)
class LiftingAction:
    """An action that lifts a reason to refuse access, as a button and for the API.

    `url` is the form that does it, empty for what happens by itself, at `at` if that is
    known. `scope` is what a person needs for it, `problem` why it is not possible now.
    """

    kind: ActionKind
    label: str
    url: str = ""
    scope: Scope | None = None
    needs_stripe: bool = False
    problem: str = ""
    amount: Decimal | None = None  # the new limit, or what to add
    currency: str = ""
    at: datetime | None = None
    owed: dict[str, Decimal] | None = None
    restores_access: bool = False  # no other reason remains


class StripeState:
    """What is possible in Stripe for an organization; at most seven statements."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self._context: ActionContext | None = None

    @property
    def context(self) -> ActionContext:
        if self._context is None:
            self._context = action_context(self._organization)
        return self._context

    def problem(
        self, kind: StripeAction.Kind, subscription_id: int | None = None
    ) -> str:
        """Return why an action at Stripe is not possible now; empty if it is."""
        subscription = self.context.find(subscription_id or 0)
        return blocked_reason(kind, self.context, subscription)

    def count_discrepancies(self) -> int:
        """Return how many open discrepancies may explain an unpaid subscription."""
        kinds = (Discrepancy.Kind.STATUS, Discrepancy.Kind.AMOUNT)
        rows = list_organization_discrepancies(self._organization.pk)
        return sum(row.kind in kinds for row in rows)


@dataclass(frozen=True, slots=True)
class _Lifter:
    """What the actions of an organization are computed from."""

    details: AccessDetails
    zone: ZoneInfo
    now: datetime
    stripe: StripeState

    def page(self, name: str, fragment: str = "", **query: str) -> str:
        url = reverse(f"billing:{name}", args=[self.details.organization_id])
        url += f"?{urlencode(query)}" if query else ""
        return f"{url}#{fragment}" if fragment else url


_Candidate = tuple[LiftingAction, AccessCase]  # an action, and the state after it


def list_lifting_actions(
    code: str,
    details: AccessDetails,
    *,
    zone: ZoneInfo,
    now: datetime,
    stripe: StripeState,
) -> tuple[LiftingAction, ...]:
    """Return the actions that lift a reason, the most direct first."""
    candidates = _CANDIDATES[code](_Lifter(details, zone, now, stripe))
    decided = ((action, case.refused_codes(now)) for action, case in candidates)
    return tuple(
        replace(action, restores_access=not refused)
        for action, refused in decided
        if code not in refused
    )


def _restore(lifter: _Lifter) -> Iterator[_Candidate]:
    action = LiftingAction(
        ActionKind.RESTORE,
        "Restore organization",
        lifter.page("access"),
        Scope.ORGANIZATIONS_WRITE,
    )
    yield action, lifter.details.case.with_facts(deleted_at=None)


def _activate(lifter: _Lifter) -> Iterator[_Candidate]:
    action = LiftingAction(
        ActionKind.ACTIVATE,
        "Activate organization",
        lifter.page("access"),
        Scope.ORGANIZATIONS_WRITE,
        problem=_if_deleted(lifter, "Restore the organization first."),
    )
    yield action, lifter.details.case.with_facts(inactive_since=None)


def _if_deleted(lifter: _Lifter, problem: str) -> str:
    return problem if lifter.details.case.facts.deleted_at else ""


def _resume(lifter: _Lifter) -> Iterator[_Candidate]:
    action = _subscription_action(
        lifter, ActionKind.RESUME, "Resume subscription", StripeAction.Kind.RESUME
    )
    resumed = lifter.details.case.with_facts(
        status=SubscriptionStatus.ACTIVE, paused_at=None
    )
    yield action, resumed
    if lifter.details.case.facts.status != SubscriptionStatus.PAUSED:
        yield _sync(), resumed


def _pay(lifter: _Lifter) -> Iterator[_Candidate]:
    paid = lifter.details.case.with_facts(status=SubscriptionStatus.ACTIVE)
    if action := payment_link_action(lifter.details, lifter.stripe):
        yield action, paid
    if number := lifter.stripe.count_discrepancies():
        several = "discrepancies" if number > 1 else "discrepancy"
        label = f"Resolve {number} {several} with Stripe"
        url = lifter.page("billing", "discrepancies")
        scope = Scope.BILLING_WRITE
        yield LiftingAction(ActionKind.RESOLVE, label, url, scope), paid
    if not lifter.details.invoices:  # they may be paid already
        yield _sync(), paid


def _sync() -> LiftingAction:
    """Return the sync that reads from Stripe what Orgdesk may not know yet."""
    return LiftingAction(
        ActionKind.SYNC,
        "Sync with Stripe",
        reverse("billing:stripe_sync"),
        Scope.BILLING_WRITE,
        needs_stripe=True,
    )


def payment_link_action(
    details: AccessDetails, stripe: StripeState
) -> LiftingAction | None:
    """Return the action that sends payment links of what is owed; None for nothing."""
    if not details.invoices:
        return None
    number = invoice_count(len(details.invoices))
    args = [details.organization_id, "payment-link"]
    query = urlencode([("invoice", id_) for id_ in details.invoices])
    return LiftingAction(
        ActionKind.PAYMENT_LINK,
        f"Send payment link for {number}, {owed_text(details.owed)}",
        f"{reverse('billing:action_form', args=args)}?{query}",
        Scope.BILLING_WRITE,
        needs_stripe=True,
        problem=stripe.problem(StripeAction.Kind.PAYMENT_LINK),
        owed=details.owed,
    )


def _continue_trial(lifter: _Lifter) -> Iterator[_Candidate]:
    case, later = lifter.details.case, lifter.now + _ONE_DAY
    if lifter.details.subscription_id is not None:
        action = _subscription_action(
            lifter,
            ActionKind.EXTEND_TRIAL,
            "Extend the trial",
            StripeAction.Kind.TRIAL_END,
        )
        yield action, case.with_facts(trial_ends_at=later)
        yield _sync(), case.with_facts(status=SubscriptionStatus.ACTIVE)
        return
    args = [lifter.details.organization_id, "start"]
    action = LiftingAction(
        ActionKind.START,
        "Start a subscription",
        reverse("billing:action_form", args=args),
        Scope.BILLING_WRITE,
        needs_stripe=True,
        problem=lifter.stripe.problem(StripeAction.Kind.START),
    )
    yield action, case.with_facts(status=SubscriptionStatus.ACTIVE, lost_at=None)


def _subscription_action(
    lifter: _Lifter, kind: ActionKind, label: str, stripe_kind: StripeAction.Kind
) -> LiftingAction:
    id_ = lifter.details.subscription_id
    slug = stripe_kind.value.replace("_", "-")
    args = [lifter.details.organization_id, id_, slug]
    return LiftingAction(
        kind,
        label,
        reverse("billing:subscription_action_form", args=args) if id_ else "",
        Scope.BILLING_WRITE,
        needs_stripe=True,
        problem=lifter.stripe.problem(stripe_kind, id_),
    )


def _lower_spending(lifter: _Lifter) -> Iterator[_Candidate]:
    case, now = lifter.details.case, lifter.now
    unchanged = case.with_spending(now)
    if "hard_limit" not in unchanged.refused_codes(now):
        label = "Resolves within a minute: the cost is below the limit"
        yield LiftingAction(ActionKind.EVALUATION, label), unchanged
        return
    yield from _raise_limit(lifter)
    yield from _add_balance(lifter)
    yield _reset_period(lifter), case.with_spending(now, cost=Decimal(0))


def _raise_limit(lifter: _Lifter) -> Iterator[_Candidate]:
    case, currency = lifter.details.case, lifter.details.currency
    least = case.spending.payable.to_integral_value(ROUND_FLOOR)
    if soft := case.spending.soft:  # must not exceed the hard limit
        least = max(least, soft.to_integral_value(ROUND_CEILING))
    for amount in (least + step for step in range(_MAX_STEPS)):
        changed = case.with_spending(lifter.now, hard=amount)
        if "hard_limit" not in changed.refused_codes(lifter.now):
            action = LiftingAction(
                ActionKind.RAISE_HARD_LIMIT,
                f"Raise hard limit to at least {short_money(amount, currency)}",
                lifter.page("alerts", "limits", hard=f"{amount:f}"),
                Scope.BILLING_WRITE,
                amount=amount,
                currency=currency,
            )
            yield action, changed
            return


def _add_balance(lifter: _Lifter) -> Iterator[_Candidate]:
    """Yield the free balance that lowers what counts: it pays during a trial only.

    Credit is never offered: limits are compared with the cost before credit.
    """
    details, case = lifter.details, lifter.details.case
    if not case.is_in_trial(lifter.now) or case.spending.hard is None:
        return
    unit = minor_unit(details.currency)
    with exactly():
        missing = case.spending.payable - case.spending.hard
        first = (missing / unit).to_integral_value(ROUND_CEILING) * unit
    for amount in (first + step * unit for step in range(_MAX_STEPS)):
        balance = case.spending.free_balance + amount
        changed = case.with_spending(lifter.now, free_balance=balance)
        if amount and "hard_limit" not in changed.refused_codes(lifter.now):
            action = LiftingAction(
                ActionKind.ADD_FREE_BALANCE,
                f"Add {short_money(amount, details.currency)} of free balance",
                lifter.page("credits", kind="free_balance", amount=f"{amount:f}"),
                Scope.BILLING_WRITE,
                amount=amount,
                currency=details.currency,
            )
            yield action, changed
            return


def _reset_period(lifter: _Lifter) -> LiftingAction:
    """Return the end of the period; without one that is known, its closing by hand.

    The period of a paused subscription or a deleted organization does not end.
    """
    details, facts = lifter.details, lifter.details.case.facts
    ends_at = details.period_ends_at
    is_stopped = facts.status == SubscriptionStatus.PAUSED or facts.deleted_at
    if ends_at is None or ends_at <= lifter.now or is_stopped:
        url, scope = lifter.page("periods"), Scope.BILLING_WRITE
        label = "Close the billing period"
        return LiftingAction(ActionKind.CLOSE_PERIOD, label, url, scope)
    label = f"Resolves {local_day(ends_at, lifter.zone)}, when the period resets"
    return LiftingAction(ActionKind.PERIOD_RESET, label, at=ends_at)


_CANDIDATES: dict[str, Callable[[_Lifter], Iterator[_Candidate]]] = {
    "deleted": _restore,
    "inactive": _activate,
    "paused": _resume,
    "unpaid": _pay,
    "trial_over": _continue_trial,
    "hard_limit": _lower_spending,
}
