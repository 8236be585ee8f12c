from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint
from django.utils import timezone

from orgs.models.fields import in_range, not_empty, not_negative, with_history

PRICE_DIGITS, PRICE_PLACES = 24, 12


class PriceBook(models.Model):
    """Counts the changes to a white label's rates; events remember the count.

    Recording reads it under a shared advisory lock that a change takes alone, so an
    event's version and the rates its cost was made of cannot differ.
    """

    white_label = models.OneToOneField(
        "orgs.WhiteLabel",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="+",
    )
    version = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"price book {self.white_label_id} at {self.version}"


class RateQuerySet(models.QuerySet["Rate"]):
    def current(self) -> "RateQuerySet":
        """What the price book says now, future starts included."""
        return self.filter(removed_in=None)


@with_history()
class Rate(models.Model):
    """Price of one unit of (product, meter) from an instant on.

    Never changed in place: a new price for the same start replaces the row, which
    stays with the version that removed it, so that recorded costs can be explained.
    An organization's own rate wins over the white label's from its start on.
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
    product = models.CharField(max_length=100)
    meter = models.CharField(max_length=64)
    effective_from = models.DateTimeField(
        null=True, blank=True, help_text="Leave empty if the rate has always applied."
    )
    unit_price = models.DecimalField(
        max_digits=PRICE_DIGITS, decimal_places=PRICE_PLACES
    )
    benchmark_unit_price = models.DecimalField(
        max_digits=PRICE_DIGITS,
        decimal_places=PRICE_PLACES,
        default=0,
        help_text="The price of the same unit elsewhere; savings are the difference.",
    )
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
            *not_negative("rate", "unit_price", "benchmark_unit_price"),
            *not_empty("rate", "product", "meter"),
            *in_range("rate", "effective_from"),
            CheckConstraint(
                condition=Q(removed_in=None) | Q(removed_in__gt=F("added_in")),
                name="rate_removed_after_added",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.meter}"
