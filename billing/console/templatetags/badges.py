"""Template tag of the badges in the header of an organization's pages."""

from django import template
from django.utils import timezone

from billing.console.queries.badges import Badge, list_badges
from billing.forecast.queries.forecasts import Forecast
from orgs import access
from orgs.catalog import Scope
from orgs.models import Organization

register = template.Library()


@register.simple_tag(takes_context=True)
def organization_badges(
    context: template.Context, organization: Organization, forecast: Forecast | None
) -> list[Badge]:
    """Return an organization's badges; what the page has read is not read again."""
    facts = forecast.facts if forecast else None
    scopes = access.principal_of(context["request"].user).scopes
    return list_badges(
        organization,
        now=timezone.now(),
        facts=facts,
        shows_money=Scope.BILLING_READ in scopes,
    )
