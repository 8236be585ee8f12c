"""Stages of a sync run: how the pages of each kind of object are listed and mirrored.

Requests to Stripe are made before or after a transaction, never inside one.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DataError, IntegrityError

from billing import gateway
from billing.ledger.queries.terms import list_with_boundaries
from billing.models import SyncRun
from billing.stripe.commands.mirror.adjustments import mirror_adjustments
from billing.stripe.commands.mirror.customers import mirror_customers
from billing.stripe.commands.mirror.fetches import FetchContext, Outcome
from billing.stripe.commands.mirror.invoices import mirror_invoices
from billing.stripe.commands.mirror.period_closing import (
    close_period_for_draft,
    close_periods_of_terms,
    close_removed_platforms,
)
from billing.stripe.commands.mirror.prices import mirror_prices
from billing.stripe.commands.mirror.refetches import (
    fetch_all_lines,
    fetch_prices,
    fetch_unlinked_customers,
    mirror_all_subscriptions,
)
from billing.stripe.commands.mirror.subscriptions import mirror_subscriptions
from billing.stripe.commands.mirror.unreadable import (
    UnreadableObject,
    record_errors,
    record_unreadable,
)

logger = logging.getLogger(__name__)
_OPEN_INVOICES = ("draft", "open")


@dataclass(slots=True)
class PageResult:
    """Result of mirroring a page for one run."""

    outcome: Outcome
    errors: int = 0
    unreadable: set[str] = field(
        default_factory=set
    )  # ids, not read whole or not stored
    seen: Collection[str] = ()  # ids that are not asked for at the end of the stage


@dataclass(frozen=True, slots=True)
class Stage:
    """Kind of object that a sync run reads."""

    list: Callable[..., gateway.Page[Any]]
    mirror: Callable[[Sequence[Any], FetchContext], PageResult]
    customer_of: Callable[[Any], str]  # empty: the object has no customer
    is_for_all: bool = False  # objects without an owner concern every white label


def _mirror_customer_page(
    items: Sequence[gateway.Customer], context: FetchContext
) -> PageResult:
    result = _mirror(mirror_customers, items, context)
    result.seen = set(result.outcome.seen)
    return result


def _mirror_price_page(
    items: Sequence[gateway.Price], context: FetchContext
) -> PageResult:
    return _mirror(_mirror_prices, items, context)


def _mirror_prices(items: Sequence[gateway.Price], context: FetchContext) -> Outcome:
    return Outcome(written=mirror_prices(items, context))


def _mirror_subscription_page(
    items: Sequence[gateway.Subscription], context: FetchContext
) -> PageResult:
    """Mirror a page of subscriptions, then settle duplicates and close ended periods.

    Ended subscriptions are not saved as seen: they can no longer be missing.
    """
    fetch_prices(items, context)
    result = _mirror(mirror_subscriptions, items, context)
    for customer_id in sorted(result.outcome.duplicate_customers):
        result.errors += not _mirror_all_of(customer_id, result.outcome, context)
    if context.repairs:
        result.errors += _close_periods([*items, *result.outcome.subscriptions])
    for removed in result.outcome.removed_platforms.items():
        result.errors += not _close(_close_removed_platform, removed)
    lasting = {
        item.id for item in items if item.ended_at is None or not context.repairs
    }
    result.seen = lasting & set(result.outcome.seen)
    return result


def _close_periods(items: Iterable[gateway.Subscription]) -> int:
    """Close periods where terms changed or a subscription ended; return the errors.

    Of a subscription that was read twice the last answer counts. The oldest is first,
    because each period begins where the one before it ended.
    """
    latest = {item.id: item for item in items}
    changed = list_with_boundaries(list(latest))
    affected = [item for item in latest.values() if item.id in changed or item.ended_at]
    affected.sort(key=lambda item: item.created_at)
    return sum(not _close(close_periods_of_terms, item) for item in affected)


def _mirror_all_of(customer_id: str, outcome: Outcome, context: FetchContext) -> bool:
    """Mirror all subscriptions of a customer; return false if one is malformed."""
    try:
        outcome.add(mirror_all_subscriptions(customer_id, context))
    except gateway.Malformed:
        logger.warning("customer_not_mirrored id=%s", customer_id)
        return False
    return True


def _mirror_invoice_page(
    items: Sequence[gateway.Invoice], context: FetchContext
) -> PageResult:
    """Mirror a page of invoices, then close the periods that they bill, oldest first.

    Settled invoices are not saved as seen: they cannot be deleted any more.
    """
    result = _mirror_with_lines(items, context)
    closing_invoices = result.outcome.closing_invoices
    for invoice in sorted(closing_invoices, key=lambda invoice: invoice.created_at):
        result.errors += not _close(close_period_for_draft, invoice)
    unsettled = {
        item.id
        for item in items
        if item.status in _OPEN_INVOICES or not context.repairs
    }
    result.seen = unsettled & set(result.outcome.seen)
    return result


def _mirror_with_lines(
    items: Sequence[gateway.Invoice], context: FetchContext
) -> PageResult:
    """Mirror invoices with all lines that are needed; a dry run writes none of them."""
    if not context.repairs:
        result = _mirror(mirror_invoices, items, context)
        result.unreadable |= {item.id for item in items if item.has_more_lines}
        return result
    items, malformed = fetch_all_lines(items)
    result = _mirror(mirror_invoices, items, context)
    result.errors += record_errors(malformed, context)
    result.unreadable |= {error.stripe_id for error in malformed}
    return result


def _close_removed_platform(removed: tuple[str, datetime]) -> None:
    close_removed_platforms(dict([removed]))


def _mirror_adjustment_page(
    items: Sequence[gateway.Adjustment], context: FetchContext
) -> PageResult:
    """Mirror a page of credit notes, refunds or disputes: none can be deleted."""
    return _mirror(mirror_adjustments, items, context)


def _adjustment_stage(list_page: Callable[..., gateway.Page[Any]]) -> Stage:
    return Stage(
        list_page,
        _mirror_adjustment_page,
        lambda adjustment: str(adjustment.customer_id),
    )


def _close(close_period: Callable[[Any], None], item: Any) -> bool:
    """Close a period; return whether that succeeded.

    The error of one organization must not stop the run. The next run tries it again.
    """
    try:
        close_period(item)
    except Exception:  # of any kind
        logger.exception("period_not_closed id=%s", getattr(item, "id", item))
        return False
    return True


def _mirror(
    mirror: Callable[[Sequence[Any], FetchContext], Outcome],
    items: Sequence[Any],
    context: FetchContext,
) -> PageResult:
    """Mirror a page in one transaction.

    If the database refuses one object, mirror them one by one and count the refusals.
    """
    try:
        return PageResult(mirror(items, context))
    except (IntegrityError, DataError):
        result = PageResult(Outcome())
    for item in items:
        try:
            result.outcome.add(mirror([item], context))
        except (IntegrityError, DataError) as error:
            logger.exception("object_not_mirrored id=%s", item.id)
            result.errors += 1
            result.unreadable.add(item.id)
            record_unreadable([_refused_object(item, error)], context)
    return result


def _refused_object(item: Any, error: Exception) -> UnreadableObject:
    """Return an object that the database did not take, with the reason."""
    reason = (str(error).splitlines() or [""])[0]
    customer_id = getattr(item, "customer_id", "")
    return UnreadableObject(item.id, f"Could not be stored: {reason}", customer_id)


def fetch_new_customers(
    stage: Stage, items: Sequence[Any], context: FetchContext
) -> None:
    """Fetch unlinked customers of objects that were created during the run.

    These customers may have been created during the run too, after their stage.
    """
    if not stage.is_for_all:
        fetch_unlinked_customers(map(stage.customer_of, items), context)


STAGES: Mapping[str, Stage] = {
    SyncRun.Stage.CUSTOMERS: Stage(
        gateway.list_customers,
        _mirror_customer_page,
        lambda customer: str(customer.id),
        is_for_all=True,
    ),
    SyncRun.Stage.PRICES: Stage(
        gateway.list_prices, _mirror_price_page, lambda _: "", is_for_all=True
    ),
    SyncRun.Stage.SUBSCRIPTIONS: Stage(
        gateway.list_subscriptions,
        _mirror_subscription_page,
        lambda subscription: str(subscription.customer_id),
    ),
    SyncRun.Stage.INVOICES: Stage(
        gateway.list_invoices,
        _mirror_invoice_page,
        lambda invoice: str(invoice.customer_id),
    ),
    SyncRun.Stage.CREDIT_NOTES: _adjustment_stage(gateway.list_credit_notes),
    SyncRun.Stage.REFUNDS: _adjustment_stage(gateway.list_refunds),
    SyncRun.Stage.DISPUTES: _adjustment_stage(gateway.list_disputes),
}
ORDER = [*STAGES, SyncRun.Stage.ENDED]
