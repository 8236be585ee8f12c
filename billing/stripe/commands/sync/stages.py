"""What a run does with a page of each kind; the network is before or after."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DataError, IntegrityError

from billing import gateway
from billing.models import SyncRun
from billing.stripe.commands.mirror.closing import (
    close_ended_periods,
    close_period_for_draft,
)
from billing.stripe.commands.mirror.customers import mirror_customers
from billing.stripe.commands.mirror.fetches import Fetch, Outcome
from billing.stripe.commands.mirror.invoices import mirror_invoices
from billing.stripe.commands.mirror.prices import mirror_prices
from billing.stripe.commands.mirror.refetching import meet_customers, prepare, settle
from billing.stripe.commands.mirror.subscriptions import mirror_subscriptions

logger = logging.getLogger(__name__)
_OPEN_INVOICES = ("draft", "open")


@dataclass(slots=True)
class Taken:
    """What came of a page for one run."""

    outcome: Outcome
    errors: int = 0
    met: Collection[str] = ()  # what need not be looked for at the end of the stage


@dataclass(frozen=True, slots=True)
class Stage:
    list: Callable[..., gateway.Page[Any]]
    take: Callable[[Sequence[Any], Fetch], Taken]
    customer_of: Callable[[Any], str]  # empty: it is of nobody
    is_for_all: bool = False  # what is nobody's concerns every white label


def _take_customers(items: Sequence[gateway.Customer], fetch: Fetch) -> Taken:
    taken = _mirror(mirror_customers, items, fetch)
    taken.met = set(taken.outcome.met)
    return taken


def _take_prices(items: Sequence[gateway.Price], fetch: Fetch) -> Taken:
    return _mirror(_mirror_prices, items, fetch)


def _mirror_prices(items: Sequence[gateway.Price], fetch: Fetch) -> Outcome:
    return Outcome(written=mirror_prices(items, fetch))


def _take_subscriptions(items: Sequence[gateway.Subscription], fetch: Fetch) -> Taken:
    prepare(items, fetch, anew=False)
    taken = _mirror(mirror_subscriptions, items, fetch)
    for customer_id in sorted(taken.outcome.contested):
        taken.errors += _settle(customer_id, taken.outcome, fetch)
    if fetch.repairs:
        taken.errors += sum(_is_trouble(_close_ended_period, one) for one in items)
    lasting = {one.id for one in items if one.ended_at is None or not fetch.repairs}
    taken.met = lasting & set(taken.outcome.met)
    return taken


def _settle(customer_id: str, outcome: Outcome, fetch: Fetch) -> bool:
    """Whether Stripe's answer could not be read."""
    try:
        outcome.add(settle(customer_id, fetch))
    except gateway.Malformed:
        logger.warning("customer_not_settled id=%s", customer_id)
        return True
    return False


def _take_invoices(items: Sequence[gateway.Invoice], fetch: Fetch) -> Taken:
    taken = _mirror(mirror_invoices, items, fetch)
    for invoice in sorted(taken.outcome.billing, key=lambda one: one.created_at):
        taken.errors += _is_trouble(close_period_for_draft, invoice)
    unsettled = {
        one.id for one in items if one.status in _OPEN_INVOICES or not fetch.repairs
    }
    taken.met = unsettled & set(taken.outcome.met)
    return taken


def _close_ended_period(subscription: gateway.Subscription) -> None:
    close_ended_periods([subscription])


def _is_trouble(close_billed_periods: Callable[[Any], None], item: Any) -> bool:
    """One organization's trouble is not the run's; the next run tells it again."""
    try:
        close_billed_periods(item)
    except Exception:  # whatever closing can raise
        logger.exception("not_announced id=%s", item.id)
        return True
    return False


def _mirror(
    mirror: Callable[[Sequence[Any], Fetch], Outcome],
    items: Sequence[Any],
    fetch: Fetch,
) -> Taken:
    """A page at once; or one by one, where the database refuses one of them."""
    try:
        return Taken(mirror(items, fetch))
    except (IntegrityError, DataError):
        taken = Taken(Outcome())
    for item in items:
        try:
            taken.outcome.add(mirror([item], fetch))
        except (IntegrityError, DataError):
            logger.exception("object_not_mirrored id=%s", item.id)
            taken.errors += 1
    return taken


def prepare_late(stage: Stage, items: Sequence[Any], fetch: Fetch) -> None:
    """Objects made while we read may be of customers made while we read."""
    if not stage.is_for_all:
        meet_customers(map(stage.customer_of, items), fetch)


STAGES: Mapping[str, Stage] = {
    SyncRun.Stage.CUSTOMERS: Stage(
        gateway.list_customers,
        _take_customers,
        lambda one: str(one.id),
        is_for_all=True,
    ),
    SyncRun.Stage.PRICES: Stage(
        gateway.list_prices, _take_prices, lambda _: "", is_for_all=True
    ),
    SyncRun.Stage.SUBSCRIPTIONS: Stage(
        gateway.list_subscriptions,
        _take_subscriptions,
        lambda one: str(one.customer_id),
    ),
    SyncRun.Stage.INVOICES: Stage(
        gateway.list_invoices, _take_invoices, lambda one: str(one.customer_id)
    ),
}
ORDER = [*STAGES, SyncRun.Stage.ENDED]
