"""Members and projects of an organization, a page at a time."""

from typing import Any

from django.db.models import QuerySet

from orgs.models import Member, Project
from orgs.queries.paging import Order, Page, fetch_page

PEOPLE_ON_A_PAGE = 100
_NEWEST = Order("added_at", descending=True)


def list_people(
    model: type[Member] | type[Project],
    organization_id: int,
    *,
    text: str = "",
    is_removed: bool = False,
    cursor: str = "",
) -> Page[Any]:
    """Return members or projects that have every word of a text, newest first.

    Either active ones, or those that were removed. Words are compared without case and
    accents. Raises `invalid_cursor`.
    """
    rows: QuerySet[Any] = model._default_manager.filter(
        organization=organization_id, deleted_at__isnull=not is_removed
    )
    for word in text.split():
        rows = rows.filter(search_text__key_contains=word)
    scope = f"people:{model.__name__}:{organization_id}:{is_removed}:{text}"
    return fetch_page(rows, _NEWEST, size=PEOPLE_ON_A_PAGE, cursor=cursor, scope=scope)


def active_member_ids(organization_id: int) -> set[str]:
    """Return the external IDs of an organization's active members."""
    rows = Member.objects.filter(organization=organization_id, deleted_at=None)
    return set(rows.values_list("external_id", flat=True))
