"""Commands that save and delete views of the organization list."""

from billing.models import SavedView
from orgs.errors import NotFound
from orgs.models import User


def save_view(owner: User, *, name: str, query: str, is_shared: bool) -> SavedView:
    """Save a view of the user; one of the same name is replaced."""
    values = {
        "query": query,
        "is_shared": is_shared,
        "white_label_id": owner.white_label_id,
    }
    view, _ = SavedView.objects.update_or_create(
        owner=owner, name=name, defaults=values
    )
    return view


def delete_view(owner: User, view_id: int) -> SavedView:
    """Delete a view of the user, and return it; raises `NotFound` for any other."""
    view = SavedView.objects.filter(pk=view_id, owner=owner).first()
    if view is None:
        raise NotFound("View not found.")
    view.delete()
    return view
