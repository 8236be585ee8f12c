"""What every page of an organization has on top."""

from collections.abc import Sequence
from itertools import groupby
from typing import TypedDict

from django import template
from django.urls import reverse

from orgs.models import Organization
from orgs.queries.history import Change

register = template.Library()

# Tab, label, URL name; each page belongs to the app whose data it shows.
_TABS = (
    ("overview", "Overview", "billing:overview"),
    ("usage", "Usage", "metrics:usage"),
    ("costs", "Costs", "billing:costs"),
    ("billing", "Billing", "billing:billing"),
    ("alerts", "Alerts", "billing:alerts"),
    ("people", "People", "orgs:people"),
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


@register.simple_tag
def grouped(changes: Sequence[Change]) -> list[tuple[Change, int]]:
    """Neighbours that say the same are said once: 33 members added by one load."""
    groups = (list(same) for _, same in groupby(changes, _said))
    return [(same[0], len(same)) for same in groups]


def _said(change: Change) -> tuple[object, ...]:
    minute = change.at.replace(second=0, microsecond=0)
    said = (change.what, change.verb, change.who, change.why, change.request_id)
    return (minute, *said, change.fields)
