"""Reads of exports: of one person or API key, and which of them are due."""

from collections.abc import Collection, Sequence

from django.db.models import Q, QuerySet

from billing.exports.queries.tables import Owner
from billing.models import Export
from orgs.errors import NotFound

MAX_LISTED = 100
_WITH = ("organization__white_label", "user", "api_key")


def owned_by(owner: Owner) -> Q:
    """Return the condition that an export is the owner's."""
    if owner.key_id is not None:
        return Q(api_key=owner.key_id)
    return Q(user=owner.user_id)


def visible_exports(
    owner: Owner, white_label_ids: Collection[int]
) -> "QuerySet[Export]":
    """Return the owner's exports of rows that they may still see, the newest first."""
    rows = Export.objects.filter(owned_by(owner)).select_related(*_WITH)
    within = Q(white_label_ids__contained_by=list(white_label_ids))
    return rows.filter(within).order_by("-pk")


def list_exports(owner: Owner, white_label_ids: Collection[int]) -> Sequence[Export]:
    """Return the latest exports of an owner, at most `MAX_LISTED`; one query."""
    return list(visible_exports(owner, white_label_ids)[:MAX_LISTED])


def get_export(
    owner: Owner, white_label_ids: Collection[int], export_id: int
) -> Export:
    """Return an export; raises `NotFound` for another's and for one out of reach."""
    export = visible_exports(owner, white_label_ids).filter(pk=export_id).first()
    if export is None:
        raise NotFound("Export not found.")
    return export
