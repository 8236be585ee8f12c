"""Links of the pages of cost lines and events: other days, and fewer filters."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from metrics.queries.cost_lines import LineFilters
from metrics.templatetags.cost_names import meter_name
from orgs.days import EARLIEST_DAY, ONE_DAY
from orgs.web.templatetags.display import day_year

_PAGING = ("page", "after", "after_id")


def changed_url(url: str, query: QueryDict, **changes: object) -> str:
    """Return the address of the first page with other parameters; "" drops one."""
    present = {name: text for name, text in query.dict().items() if name not in _PAGING}
    parameters = {
        name: value for name, value in {**present, **changes}.items() if value
    }
    return f"{url}?{urlencode(parameters)}" if parameters else url


def filter_links(
    url: str, query: QueryDict, filters: LineFilters, names: Mapping[int, str]
) -> list[dict[str, str]]:
    """Return each filter that narrows a list, with the address without it."""
    texts = {
        "product": filters.product or "",
        "meter": meter_name(filters.meter) if filters.meter else "",
        "project": "" if filters.project_id is None else names[filters.project_id],
    }
    return [
        {
            "label": f"{name.title()}: {text}",
            "url": changed_url(url, query, **{name: ""}),
        }
        for name, text in texts.items()
        if text
    ]


def neighbor_days(
    url: str, query: QueryDict, day: date, today: date, *names: str
) -> list[dict[str, Any]]:
    """Return links to the day before and the day after; none after today.

    `names` are the parameters that choose the day.
    """
    days = [("prev", day - ONE_DAY)] if day > EARLIEST_DAY else []
    if day < today:
        days.append(("next", day + ONE_DAY))
    return [
        {
            "rel": rel,
            "label": day_year(other),
            "url": changed_url(url, query, **dict.fromkeys(names, other.isoformat())),
        }
        for rel, other in days
    ]
