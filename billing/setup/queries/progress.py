"""What is set up of a white label: read from the data, never stored."""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

from billing.needs_action.queries.overview import has_customers
from billing.stripe.queries.sync_health import sync_health
from metrics.queries.first_usage import find_usage
from metrics.queries.price_book import has_prices
from orgs.models import WhiteLabel


class StepKey(StrEnum):
    """The steps in their order; the values are in addresses and sessions."""

    WHITE_LABEL = "white-label"
    ORGANIZATIONS = "organizations"
    PRICES = "prices"
    USAGE = "usage"
    STRIPE = "stripe"


@dataclass(frozen=True, slots=True)
class Step:
    """A step and whether it is done."""

    key: StepKey
    is_done: bool


def read_progress(label: WhiteLabel | None) -> list[Step]:
    """Return the steps of a white label; without one, nothing is done."""
    if label is None:
        return [Step(key, is_done=False) for key in StepKey]
    done = {
        StepKey.WHITE_LABEL: True,
        StepKey.ORGANIZATIONS: has_customers([label]),
        StepKey.PRICES: has_prices(label.pk),
        StepKey.USAGE: find_usage(label.pk) is not None,
        StepKey.STRIPE: _is_synced(label),
    }
    return [Step(key, is_done) for key, is_done in done.items()]


def _is_synced(label: WhiteLabel) -> bool:
    """Return whether a key is set and a sync with it has succeeded."""
    if not settings.STRIPE_SECRET_KEY:
        return False
    return sync_health([label]).synced_at is not None
