"""The price book of a white label, as its page lists it, and what new rates change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from metrics.models import Rate
from metrics.units import NO_PRICE
from orgs.queries.paging import Order, Page, fetch_page

PRICES_ON_A_PAGE = 100
_BY_PRODUCT = Order("product", group="", tie="id")


def list_prices(
    white_label_id: int,
    *,
    product: str = "",
    organization: str = "",
    cursor: str = "",
) -> Page[Rate]:
    """Return current and future rates of a white label, ordered by product.

    `product` is a part of it, `organization` the external ID of an organization whose
    own rates are listed. Raises `invalid_cursor`.
    """
    rows = Rate.objects.current().filter(white_label_id=white_label_id)
    if product:
        rows = rows.filter(product__icontains=product)
    if organization:
        rows = rows.filter(organization__external_id=organization)
    scope = f"prices:{white_label_id}:{product}:{organization}"
    return fetch_page(
        rows.select_related("organization"),
        _BY_PRODUCT,
        size=PRICES_ON_A_PAGE,
        cursor=cursor,
        scope=scope,
    )


def has_prices(white_label_id: int) -> bool:
    """Return whether a white label has a price, now or from a later day."""
    return Rate.objects.current().filter(white_label_id=white_label_id).exists()


def first_priced_meter(white_label_id: int) -> tuple[str, str] | None:
    """Return a product and meter that all organizations pay for; None without one."""
    rows = Rate.objects.current().filter(
        white_label_id=white_label_id, organization=None, unit_price__gt=0
    )
    return rows.order_by("id").values_list("product", "meter").first()


def all_prices(white_label_id: int) -> Iterator[Sequence[Any]]:
    """Yield current and future rates as texts and numbers, in the columns of a CSV."""
    rows = Rate.objects.current().filter(white_label_id=white_label_id)
    columns = (
        *("product", "meter", "unit_price", "unit"),
        *("benchmark_unit_price", "effective_from", "organization__external_id"),
    )
    ordered = rows.order_by("product", "meter", "id").values_list(*columns)
    for product, meter, price, *rest in ordered.iterator():
        yield product, meter, NO_PRICE if price is None else price, *rest


class RateKey(NamedTuple):
    """What identifies a rate of a white label."""

    product: str
    meter: str
    organization_id: int | None
    effective_from: Any


@dataclass(frozen=True, slots=True)
class ReplacedRates:
    """The current rates of some products, by what identifies them."""

    by_key: dict[RateKey, Rate]

    def of(self, key: tuple[Any, ...]) -> Rate | None:
        """Return the rate that one with this key would replace."""
        return self.by_key.get(RateKey(*key))


def find_replaced(white_label_id: int, products: Sequence[str]) -> ReplacedRates:
    """Return the current rates of these products; one statement."""
    rows = Rate.objects.current().filter(
        white_label_id=white_label_id, product__in=set(products)
    )
    return ReplacedRates(
        {
            RateKey(r.product, r.meter, r.organization_id, r.effective_from): r
            for r in rows
        }
    )
