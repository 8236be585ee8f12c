"""Start and end the times in which staff see Orgdesk as another account does."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from orgs.errors import Forbidden
from orgs.models import Organization, User, ViewAs, WhiteLabel
from orgs.models.views_as import LONGEST
from orgs.security_log import Actor, ActorKind, Kind, record


def start_view(
    by: User,
    white_label: WhiteLabel,
    *,
    account: User | None = None,
    organization: Organization | None = None,
    reason: str,
) -> ViewAs:
    """Start a view as an account of the white label, or as a member of an organization.

    It ends the one that the person left open, such as in a browser that was closed.

    Raises `Forbidden` for an account that is not one of the white label, or that may
    do what no role may: a view must never show more than the role of an account does.
    """
    if account is not None:
        _require_viewable(account, white_label)
    elif organization is None or organization.white_label_id != white_label.pk:
        raise Forbidden("The organization belongs to another white label.")
    now = timezone.now()
    with transaction.atomic():
        for other in _open_views(by).select_for_update(of=("self",)):
            end_view(other)
        view = ViewAs.objects.create(
            user=by,
            white_label=white_label,
            account=account,
            organization=organization,
            reason=reason,
            started_at=now,
            ends_at=now + LONGEST,
        )
        _record(Kind.VIEW_AS_STARTED, view)
    return view


def end_view(view: ViewAs) -> None:
    """End a view now, or when its time was up; a second time changes nothing."""
    ended_at = min(timezone.now(), view.ends_at)
    rows = ViewAs.objects.filter(pk=view.pk, ended_at=None)
    with transaction.atomic():
        if rows.update(ended_at=max(ended_at, view.started_at)):
            _record(Kind.VIEW_AS_ENDED, view)


def end_views_that_are_over(now: datetime | None = None) -> None:
    """End the views whose time is up and whose browser never came back."""
    rows = ViewAs.objects.filter(ended_at=None, ends_at__lte=now or timezone.now())
    for view in rows.select_related("user", "account", "organization"):
        end_view(view)


def _open_views(by: User) -> QuerySet[ViewAs]:
    rows = ViewAs.objects.filter(user=by, ended_at=None, ends_at__gt=timezone.now())
    return rows.select_related("user", "account", "organization")


def _require_viewable(account: User, white_label: WhiteLabel) -> None:
    is_bound = account.white_label_id == white_label.pk
    if not is_bound or not account.is_active or account.is_superuser:
        raise Forbidden("Choose an active account of this white label.")


def _record(kind: Kind, view: ViewAs) -> None:
    """Record it as an act of the person who views, whatever the request is seen as."""
    person = view.user
    name = person.get_username()
    actor = Actor(ActorKind.PERSON, person.pk, name, person.white_label_id)
    record(
        kind,
        actor=actor,
        subject=view.account or view.organization,
        white_label_id=view.white_label_id,
        details={"reason": view.reason, "ends_at": view.ends_at.isoformat()},
    )
