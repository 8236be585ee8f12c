"""Template tags of an organization's pages: the tabs, and grouped changes."""

from collections.abc import Sequence
from itertools import groupby
from typing import TypedDict

from django import template
from django.urls import reverse

from orgs.models import Note, Organization
from orgs.queries.notes import pinned_notes
from orgs.web.history import Entry

register = template.Library()

# Tab, label and URL name. Each page belongs to the app whose data it shows.
_TABS = (
    ("overview", "Overview", "billing:overview"),
    ("usage", "Usage", "metrics:usage"),
    ("costs", "Costs", "billing:costs"),
    ("billing", "Billing", "billing:billing"),
    ("alerts", "Alerts", "billing:alerts"),
    ("integrations", "Integrations", "billing:integrations"),
    ("webhooks", "Webhooks", "billing:organization_webhooks"),
    ("people", "People", "orgs:people"),
    ("notes", "Notes", "orgs:notes"),
    ("customer_page", "Customer page", "billing:customer_links"),
    ("details", "Details", "billing:details"),
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
def pinned(organization: Organization) -> Sequence[Note]:
    """Return the pinned notes for the header of an organization's pages."""
    return pinned_notes(organization.pk)


@register.simple_tag
def group_entries(entries: Sequence[Entry]) -> list[tuple[Entry, int]]:
    """Return each run of like changes as the first of them and their number.

    One load that adds 33 members is one line of the history, not 33.
    """
    groups = (list(group) for _, group in groupby(entries, _shared_values))
    return [(group[0], len(group)) for group in groups]


def _shared_values(entry: Entry) -> tuple[object, ...]:
    """Return what the changes of one line share: rows that were added at once.

    A change of a row has its own line, as it says from what to what.
    """
    change = entry.change
    is_one_of_many = change.verb == "added"
    return (
        change.at.replace(second=0, microsecond=0),
        change.label,
        change.verb,
        change.organization_id,
        entry.actor,
        entry.reason,
        change.request_id,
        "" if is_one_of_many else change.key,
    )
