"""The pages of sessions: of one's account, and for superusers of another person."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from orgs.commands.sessions import end_all_sessions, end_session
from orgs.models import Session, User
from orgs.queries.sessions import handle_of, list_sessions
from orgs.web.http import OrgRequest
from orgs.web.user_agents import device_name


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session as the page shows it; `handle` names it in forms."""

    handle: str
    device: str
    row: Session
    is_current: bool


@require_GET
def sessions(request: OrgRequest, user_id: int | None = None) -> HttpResponse:
    """List the sessions of the account, or of another person for superusers."""
    person = _person(request, user_id)
    context = {
        "person": person,
        "lines": [_line(request, row) for row in list_sessions(person)],
        "nav_key": "sessions",
        "is_own": user_id is None,
    }
    template = "orgs/sessions.html" if user_id is None else "orgs/sessions_of.html"
    response = render(request, template, context)
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
def end_one(request: OrgRequest, user_id: int | None = None) -> HttpResponse:
    """End one session; without effect if it is over already."""
    person = _person(request, user_id)
    if end_session(person, request.POST.get("session", "")):
        messages.success(request, "The session was ended.")
    return _back(user_id)


@require_POST
def end_all(request: OrgRequest, user_id: int | None = None) -> HttpResponse:
    """End all sessions and login tokens; one's own present session goes on."""
    end_all_sessions(_person(request, user_id), reason="asked for on a page")
    messages.success(request, "All sessions and login tokens were ended.")
    return _back(user_id)


def _person(request: OrgRequest, user_id: int | None) -> User:
    if user_id is None:
        return request.user
    if not request.user.is_superuser:
        raise Http404
    return get_object_or_404(User, pk=user_id)


def _line(request: OrgRequest, row: Session) -> SessionLine:
    return SessionLine(
        handle=handle_of(row.pk),
        device=device_name(row.user_agent),
        row=row,
        is_current=row.pk == request.session.session_key,
    )


def _back(user_id: int | None) -> HttpResponse:
    arguments: list[Any] = [] if user_id is None else [user_id]
    name = "orgs:sessions" if user_id is None else "orgs:sessions_of"
    return redirect(name, *arguments)
