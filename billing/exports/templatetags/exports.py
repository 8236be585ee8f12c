"""Template tags of the links that download a table as CSV, and of large exports."""

from collections.abc import Set
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from django import template
from django.http import QueryDict
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.exports.queries.registry import get_table
from billing.exports.queries.tables import Level
from billing.models import Export
from orgs.models import Organization
from orgs.web.templatetags.components import badge

register = template.Library()
_EXCEL_ROWS = 1_048_576  # of a sheet, with the header
_BADGES = {
    Export.State.PENDING: ("Waiting", ""),
    Export.State.RUNNING: ("In progress", ""),
    Export.State.DONE: ("Ready", "good"),
    Export.State.FAILED: ("Failed", "bad"),
    Export.State.CANCELED: ("Canceled", ""),
}


@register.simple_tag(takes_context=True)
def csv_link(
    context: Context,
    slug: str,
    organization: Organization | Literal[""] | None = None,
    *,
    label: str = "CSV",
    **parameters: object,
) -> SafeString:
    """Render the link that downloads a table, for Excel as staff use it.

    Two links side by side need a `label` each, which says what they download.
    The link keeps the parameters of the page that the table takes, such as its range
    and filters; `parameters` replace these, and an empty one drops it.
    """
    owner = organization or None  # a template has "" for what is missing
    level = Level.FLEET if owner is None else Level.ORGANIZATION
    table = get_table(slug, level)
    request = context.get("request")
    names = table.parameters | ({"white_label"} if level is Level.FLEET else set())
    query = _page_parameters(request.GET if request else QueryDict(), names)
    query |= {name: str(value) for name, value in parameters.items()}
    query = {name: value for name, value in query.items() if value}
    url = _url(slug, owner)
    return format_html(
        '<a class="card__link" href="{}?{}" data-csv="{}" hx-boost="false">{}'
        '<span class="visually-hidden">: {}</span></a>',
        url,
        urlencode({**query, "for": "excel"}),
        slug,
        label,
        table.title,
    )


def _page_parameters(query: QueryDict, names: Set[str]) -> dict[str, str]:
    return {name: str(query[name]) for name in query if name in names}


def _url(slug: str, organization: Organization | None) -> str:
    if organization is None:
        return reverse("billing:fleet_table", args=[slug])
    return reverse("billing:organization_table", args=[organization.pk, slug])


@register.simple_tag
def export_badge(export: Export) -> SafeString:
    """Render the state of an export as a badge."""
    if export.is_expired:
        return badge("Expired")
    if export.is_unfinished and export.started_at:
        return badge(*_BADGES[Export.State.RUNNING])  # also between two time slices
    return badge(*_BADGES[Export.State(export.state)])


@register.simple_tag
def export_scope(export: Export) -> str:
    """Return whose rows an export has: an organization's, or those of all."""
    return export.organization.name if export.organization else "All organizations"


@register.simple_tag
def export_filters(export: Export) -> list[tuple[str, str]]:
    """Return the parameters of an export, with names as people write them."""
    pairs = parse_qsl(export.query)
    return [(name.replace("_", " ").capitalize(), text) for name, text in pairs]


@register.simple_tag
def export_warning(export: Export) -> str:
    """Return what a spreadsheet would leave out without a word; usually nothing."""
    if export.rows < _EXCEL_ROWS:
        return ""
    return f"Excel shows only the first {_EXCEL_ROWS - 1:,} rows of a file."
