"""How an organization stands, for the head of its pages whichever app they are of."""

from django import template

from billing.queries import Badge, badges
from metrics.queries import PeriodCost, open_period_costs
from orgs.models import Organization

register = template.Library()


@register.simple_tag
def organization_badges(organization: Organization) -> list[Badge]:
    costs = open_period_costs([organization.pk])
    return badges(organization, costs.get(organization.pk, PeriodCost()))
