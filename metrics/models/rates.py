"""The price book of a white label: its rates and their version."""

from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint
from django.utils import timezone

from metrics.events import MAX_PRODUCT_LENGTH
from metrics.units import PRICE_INTEGER_DIGITS, PRICE_PLACES
from orgs.models.fields import (
    ExactDecimalField,
    in_range,
    not_empty,
    not_negative,
    with_history,
)

PRICE_DIGITS = PRICE_INTEGER_DIGITS + PRICE_PLACES


class PriceBook(models.Model):
    """The version of a white label's rates, which every change of them increments.

    Each event stores the version that it was priced with. Recording reads version and
    rates under a shared advisory lock, which a change takes exclusively, so the two
    cannot differ.
    """

    white_label = models.OneToOneField(
        "orgs.WhiteLabel",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="+",
    )
    version = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"price book {self.white_label_id} version {self.version}"


class RateQuerySet(models.QuerySet["Rate"]):
    """Filters for rates."""

    def current(self) -> "RateQuerySet":
        """Return the rates of the current price book, with those that start later."""
        return self.filter(removed_in=None)


@with_history()
class Rate(models.Model):
    """The price of a unit of a product's meter from an instant on.

    `unit_price` and `unit` are the price as it was stated: $2.50 for a GPU-hour.
    `base_price` is that of a base unit of the meter, such as a second, with which costs
    are computed; see `metrics.units`.

    Rates are never changed in place. A new price for the same start is a new row; the
    old row stays, with the version that removed it, so that recorded costs can be
    explained. From the start of an organization's rate on, that rate replaces the
    white label's.

    A row without a price ends the rate before it: usage from its start on is unpriced,
    until a later rate starts.
    """

    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, related_name="+"
    )
    organization = models.ForeignKey(
        "orgs.Organization",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Leave empty for all organizations of the white label.",
    )
    product = models.CharField(max_length=MAX_PRODUCT_LENGTH)
    meter = models.CharField(max_length=64)
    effective_from = models.DateTimeField(
        null=True, blank=True, help_text="Leave empty if the rate has always applied."
    )
    unit_price = models.DecimalField(
        max_digits=PRICE_DIGITS, decimal_places=PRICE_PLACES, null=True
    )
    benchmark_unit_price = models.DecimalField(
        max_digits=PRICE_DIGITS,
        decimal_places=PRICE_PLACES,
        default=0,
        help_text="The price of the same unit elsewhere; savings are the difference.",
    )
    unit = models.CharField(max_length=40)
    base_price = ExactDecimalField(null=True, editable=False)
    base_benchmark_price = ExactDecimalField(editable=False)
    added_in = models.PositiveIntegerField(editable=False)
    removed_in = models.PositiveIntegerField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = RateQuerySet.as_manager()

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=[
                    "white_label",
                    "product",
                    "meter",
                    "organization",
                    "effective_from",
                ],
                condition=Q(removed_in=None),
                nulls_distinct=False,
                name="rate_unique",
            ),
            *not_negative(
                "rate",
                "unit_price",
                "benchmark_unit_price",
                "base_price",
                "base_benchmark_price",
            ),
            *not_empty("rate", "product", "meter", "unit"),
            *in_range("rate", "effective_from"),
            CheckConstraint(
                condition=Q(unit_price__isnull=False, base_price__isnull=False)
                | Q(unit_price=None, base_price=None, base_benchmark_price=0),
                name="rate_end_without_price",
            ),
            CheckConstraint(
                condition=Q(removed_in=None) | Q(removed_in__gt=F("added_in")),
                name="rate_removed_after_added",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.meter}"

    @property
    def is_end(self) -> bool:
        """Return whether usage from its start on has no price."""
        return self.unit_price is None
