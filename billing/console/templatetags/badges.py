"""Template tag of the status badges in the header of an organization's pages."""

from django import template

from billing.console.queries.badges import Badge, badges
from billing.forecast.queries.forecasts import Forecast
from metrics.queries.periods import CurrentPeriod, current_period
from orgs.models import Organization

register = template.Library()


@register.simple_tag
def organization_badges(
    organization: Organization,
    period: CurrentPeriod | None,
    forecast: Forecast | None,
) -> list[Badge]:
    """Return an organization's badges; what the page has read is not read again."""
    period = period or current_period(organization.pk)
    return badges(organization, period.cost, forecast.facts if forecast else None)
