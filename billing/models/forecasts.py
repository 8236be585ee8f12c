"""What is prepared of forecasts for lists: sort keys, and the range of the rest."""

from datetime import date

from django.db import models
from django.db.models import GeneratedField, Value
from django.db.models.functions import Coalesce

from orgs.models.fields import ExactDecimalField

# Values for a missing day, so that organizations without one come last in ascending
# and in descending order.
NO_ENTITLEMENT = -1
_LAST_DAY, _FIRST_DAY = date(9999, 12, 31), date(1, 1, 1)


class LimitRanking(models.Model):
    """The sort keys of an organization by its spending limit and its entitlements.

    That is the day when a limit is reached, and the used part of an entitlement.
    Prepared by tasks and seconds old; the day that a page shows is computed with the
    page. Every organization has a row. Most have no day: no limit is set, or none is
    projected to be reached in the open period.
    """

    organization = models.OneToOneField(
        "orgs.Organization",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="limit_ranking",
    )
    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    reached_on = models.DateField(null=True)  # projected, or in the past
    soonest_on = GeneratedField(
        expression=Coalesce("reached_on", Value(_LAST_DAY)),
        output_field=models.DateField(),
        db_persist=True,
    )
    # The used part of the entitlement that is used most; -1: none has a limit.
    entitlement_use = ExactDecimalField(db_default=NO_ENTITLEMENT)
    latest_on = GeneratedField(
        expression=Coalesce("reached_on", Value(_FIRST_DAY)),
        output_field=models.DateField(),
        db_persist=True,
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["white_label", "soonest_on", "organization"],
                name="limit_ranking_soonest",
            ),
            models.Index(
                fields=["white_label", "latest_on", "organization"],
                name="limit_ranking_latest",
            ),
            # Without the white label: staff who see all of them list across them.
            models.Index(
                fields=["soonest_on", "organization"], name="limit_ranking_soonest_all"
            ),
            models.Index(
                fields=["latest_on", "organization"], name="limit_ranking_latest_all"
            ),
            models.Index(
                fields=["white_label", "entitlement_use", "organization"],
                name="limit_ranking_entitlement",
            ),
            models.Index(
                fields=["entitlement_use", "organization"],
                name="limit_ranking_entitlement_all",
            ),
        ]

    def __str__(self) -> str:
        return f"limit ranking of {self.organization_id}"


class ForecastBand(models.Model):
    """The range of what is expected of the rest of an organization's open period.

    It is from more than a year of daily costs and changes once a day, when another day
    is complete: it is prepared for the first one who needs it, and all pages, files and
    answers of that day show the same. It counts only for the days that it was made for.
    """

    organization = models.OneToOneField(
        "orgs.Organization",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="forecast_band",
    )
    first_day = models.DateField()  # that is not complete
    ahead = models.PositiveSmallIntegerField()  # days to the end of the period
    # Multiples of the expected cost; null if the history is too short.
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(low=None, high=None)
                | models.Q(low__lte=1, high__gte=1),
                name="forecast_band_contains_the_forecast",
            ),
        ]

    def __str__(self) -> str:
        return f"forecast band of {self.organization_id}"
