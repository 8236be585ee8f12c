"""Saved views of the organization list that a user sees."""

from collections.abc import Sequence

from django.db.models import Q

from billing.models import SavedView


def list_saved_views(
    owner_id: int | None, white_label_id: int | None
) -> Sequence[SavedView]:
    """Return the user's own views, and those shared in the same white label; by name.

    Staff without a white label share with each other.
    """
    shared = Q(is_shared=True, white_label=white_label_id)
    own = Q(owner=owner_id)
    return list(SavedView.objects.filter(own | shared).order_by("name", "id"))
