"""Template tags of an organization's pages: the tabs, and grouped changes."""

from collections.abc import Sequence
from itertools import groupby
from typing import TypedDict

from django import template
from django.urls import reverse

from orgs.models import Organization
from orgs.queries.history import Change

register = template.Library()

# Tab, label and URL name. Each page belongs to the app whose data it shows.
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
    """A tab as `components/tabs.html` takes it."""

    label: str
    url: str
    current: bool


@register.simple_tag
def organization_tabs(organization: Organization, current_tab: str) -> list[Tab]:
    """Return the tabs of an organization's pages."""
    return [
        {
            "label": label,
            "url": reverse(name, args=[organization.pk]),
            "current": slug == current_tab,
        }
        for slug, label, name in _TABS
    ]


@register.simple_tag
def group_changes(changes: Sequence[Change]) -> list[tuple[Change, int]]:
    """Return each run of equal changes as the first of them and their number.

    One load that adds 33 members is one line of the history, not 33.
    """
    groups = (list(group) for _, group in groupby(changes, _displayed_values))
    return [(group[0], len(group)) for group in groups]


def _displayed_values(change: Change) -> tuple[object, ...]:
    """Return what a line of the history shows, apart from the changed row."""
    return (
        change.at.replace(second=0, microsecond=0),
        change.model,
        change.verb,
        change.user,
        change.reason,
        change.request_id,
        change.fields,
    )
