"""What every page of an organization has on top."""

from typing import TypedDict

from django import template
from django.urls import reverse

from orgs.models import Organization

register = template.Library()

# Tab, label, URL name; each page belongs to the app whose data it shows.
_TABS = (
    ("overview", "Overview", "billing:overview"),
    ("usage", "Usage", "metrics:usage"),
    ("costs", "Costs", "metrics:costs"),
    ("billing", "Billing", "billing:billing"),
    ("people", "Members and projects", "orgs:people"),
    ("history", "History", "orgs:history"),
)


class Tab(TypedDict):
    label: str
    url: str
    current: bool


@register.simple_tag
def organization_tabs(organization: Organization, here: str) -> list[Tab]:
    return [
        {
            "label": label,
            "url": reverse(name, args=[organization.pk]),
            "current": slug == here,
        }
        for slug, label, name in _TABS
    ]
