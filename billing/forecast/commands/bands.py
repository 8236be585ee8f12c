"""Command that prepares the ranges of forecasts."""

from collections.abc import Sequence

from billing.forecast.queries.bands import compute_bands, list_without_band
from billing.forecast.queries.forecasts import forecast_all
from billing.models import ForecastBand
from orgs.models import Organization

_BATCH = 200  # organizations: 400 days of each are in memory


def fill_missing_bands(organization_ids: Sequence[int]) -> int:
    """Prepare the ranges of organizations that have none of today; return how many.

    Each recorded usage comes here; only the first of a day costs more than a statement.
    """
    return fill_bands(list_without_band(organization_ids))


def fill_bands(organization_ids: Sequence[int]) -> int:
    """Prepare the ranges of organizations; return of how many.

    Of two workers the last one wins: they compute the same. Sorted by key, so that they
    cannot deadlock.
    """
    ids = sorted(set(organization_ids))
    return sum(_fill(ids[at : at + _BATCH]) for at in range(0, len(ids), _BATCH))


def _fill(ids: Sequence[int]) -> int:
    rows = list(Organization.objects.select_related("white_label").filter(pk__in=ids))
    bands = compute_bands(rows, forecast_all(rows))
    ForecastBand.objects.bulk_create(
        [
            ForecastBand(
                organization_id=id_,
                first_day=key.first_day,
                ahead=key.ahead,
                low=band.low if band else None,
                high=band.high if band else None,
            )
            for id_, (key, band) in sorted(bands.items())
        ],
        update_conflicts=True,
        unique_fields=["organization"],
        update_fields=["first_day", "ahead", "low", "high"],
    )
    return len(bands)
