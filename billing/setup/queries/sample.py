"""The event that the setup guide offers as the first one."""

from dataclasses import dataclass

from metrics.queries.price_book import first_priced_meter
from orgs.models import Organization, WhiteLabel

_PRODUCT, _METER = "gpt-4o", "prompt_tokens"
_QUANTITY = 1_000


@dataclass(frozen=True, slots=True)
class SampleEvent:
    """An event of an organization, named by its external ID."""

    organization: str
    product: str
    meter: str
    quantity: int = _QUANTITY


def sample_event(label: WhiteLabel) -> SampleEvent | None:
    """Return an event for the first organization; None if there is none yet.

    It is of a product and meter that has a price, if any has.
    """
    rows = Organization.objects.active().filter(white_label=label)
    first = rows.exclude(pk=label.owner_id or 0).order_by("pk").first()
    if first is None:
        return None
    product, meter = first_priced_meter(label.pk) or (_PRODUCT, _METER)
    return SampleEvent(first.external_id, product, meter)
