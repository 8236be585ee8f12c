from datetime import date

from django.db import models
from django.db.models import GeneratedField, Value
from django.db.models.functions import Coalesce

# Those without a day come last, whichever way the list goes.
_LAST, _FIRST = date(9999, 12, 31), date(1, 1, 1)


class LimitRanking(models.Model):
    """Where an organization stands in the list's order by the day its limit falls.

    Prepared, seconds old; the day that is shown is reckoned when it is. Everyone has
    one, most without a day: no limit, or none that falls in this period.
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
    reached_on = models.DateField(null=True)  # or was crossed on
    soonest_on = GeneratedField(
        expression=Coalesce("reached_on", Value(_LAST)),
        output_field=models.DateField(),
        db_persist=True,
    )
    latest_on = GeneratedField(
        expression=Coalesce("reached_on", Value(_FIRST)),
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
            # Staff who see every white label list across all of them.
            models.Index(
                fields=["soonest_on", "organization"], name="limit_ranking_soonest_all"
            ),
            models.Index(
                fields=["latest_on", "organization"], name="limit_ranking_latest_all"
            ),
        ]

    def __str__(self) -> str:
        return f"limit standing of {self.organization_id}"
