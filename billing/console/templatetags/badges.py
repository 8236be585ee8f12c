"""Template tag of the badges in the header of an organization's pages."""

from django import template
from django.utils import timezone

from billing.console.queries.badges import Badge, list_badges
from billing.forecast.queries.forecasts import Forecast
from orgs.models import Organization

register = template.Library()


@register.simple_tag
def organization_badges(
    organization: Organization, forecast: Forecast | None
) -> list[Badge]:
    """Return an organization's badges; what the page has read is not read again."""
    facts = forecast.facts if forecast else None
    return list_badges(organization, now=timezone.now(), facts=facts)
