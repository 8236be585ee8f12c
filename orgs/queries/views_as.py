"""Views as another account: the one of a session, and who can be seen as."""

from django.db.models import QuerySet

from orgs.models import User, ViewAs, WhiteLabel

_SUGGESTED = 20


def find_view(id_: int, user_id: int) -> ViewAs | None:
    """Return the view of a session, if it is one of this person."""
    rows = ViewAs.objects.select_related(
        "user", "account", "organization", "white_label"
    )
    return rows.filter(pk=id_, user_id=user_id).first()


def find_viewable_account(white_label: WhiteLabel, username: str) -> User | None:
    """Return the active account of a white label that has this name."""
    return _accounts(white_label).filter(username__iexact=username).first()


def list_viewable_accounts(white_label: WhiteLabel) -> list[str]:
    """Return the names of some accounts of a white label that can be seen as."""
    rows = _accounts(white_label).order_by("username")
    return list(rows.values_list("username", flat=True)[:_SUGGESTED])


def _accounts(white_label: WhiteLabel) -> QuerySet[User]:
    return User.objects.filter(
        white_label=white_label, is_active=True, is_superuser=False
    )
