"""Confirming who one is, in the middle of a change, without losing its form.

A form that is sent after the session expired waits for the next login in the same way.
A view that needs a recent proof of presence raises `ReauthenticationRequired`. Its form
is kept, encrypted, in the session, and the browser goes to the confirmation. That ends
with a redirect to the address of the form with a token, which stands for the form: the
request is then handled as the POST that it was. The token works once, for the same
person, address, and session, for as long as the confirmation counts.
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ReauthenticationRequired as AllauthRequired
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME, logout
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, get_random_string
from django.utils.datastructures import MultiValueDict
from django.utils.http import escape_leading_slashes

from config.error_formats import is_api
from orgs.access.sessions import is_recently_confirmed
from orgs.errors import ReauthenticationRequired, SecretUnreadable
from orgs.models import User
from orgs.queries.sessions import find_expired_owner
from orgs.web.once import decrypt_for_session, encrypt_for_user

_SESSION_KEY, _PURPOSE = "suspended_form", "form"
_PARAMETER = "confirmed"  # whose value is the token
_LONGEST_FORM = 200_000  # bytes; a larger one has to be sent again


class ReauthenticationMiddleware:
    """Leads to the confirmation, and resumes the form that it interrupted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if _is_return(request) and not _resume(request):
            return redirect(_path_without_token(request))
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, error: Exception
    ) -> HttpResponseBase | None:
        """Return the way to the confirmation; API calls are refused elsewhere."""
        if not isinstance(error, ReauthenticationRequired | AllauthRequired):
            return None
        user = getattr(request, "user", None)
        if is_api(request) or not isinstance(user, User):
            return None
        path = _suspend(request, user.pk)
        return _leave(request, _confirmation_url(request, user, path))


def _is_return(request: HttpRequest) -> bool:
    return request.method == "GET" and _PARAMETER in request.GET and not is_api(request)


def _leave(request: HttpRequest, url: str) -> HttpResponse:
    """Send the whole browser there, never a page into a fragment."""
    if "HX-Request" in request.headers:
        headers = {"HX-Redirect": url}
        return HttpResponse(status=HTTPStatus.UNAUTHORIZED, headers=headers)
    return redirect(url)


def _confirmation_url(request: HttpRequest, user: User, path: str) -> str:
    """Return the page of the first method that the person has.

    A person who has none, as single sign-on does it all, logs in again.
    """
    methods = get_adapter().get_reauthentication_methods(user)
    if methods:
        url = str(methods[0]["url"])
    else:
        logout(request)
        url = reverse("account_login")
    return f"{url}?{urlencode({REDIRECT_FIELD_NAME: path}, safe='/')}"


def suspend_until_login(request: HttpRequest) -> str:
    """Keep a form that came after its session expired; return the path that continues.

    Empty if there is nothing to keep. Only a login of the person whose session it was
    continues with it; its CSRF token was checked, as for every POST.
    """
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    owner_id = find_expired_owner(key) if request.method == "POST" and key else None
    if owner_id is None:
        return ""
    path = _suspend(request, owner_id)
    return path if f"{_PARAMETER}=" in path else ""


def _suspend(request: HttpRequest, user_id: int) -> str:
    """Keep the form of a POST for a user; return the path that continues with it."""
    path = escape_leading_slashes(request.get_full_path())
    if request.method != "POST":
        return path
    body = request.POST.copy()
    body.pop("csrfmiddlewaretoken", None)
    form = body.urlencode()
    if request.FILES or len(form) > _LONGEST_FORM:
        return path
    token = get_random_string(22)
    suspended = {"path": path, "form": form, "token": token, "at": _now()}
    stored = encrypt_for_user(user_id, _PURPOSE, json.dumps(suspended))
    request.session[_SESSION_KEY] = stored
    return f"{path}{'&' if '?' in path else '?'}{_PARAMETER}={token}"


def _resume(request: HttpRequest) -> bool:
    """Turn the request into the POST that its token stands for; false if it cannot.

    The form passed the check of its CSRF token when it was sent.
    """
    suspended = _take_suspended(request)
    path = _path_without_token(request)
    if suspended is None or suspended["path"] != path:
        return False
    request.method = request.META["REQUEST_METHOD"] = "POST"
    request.META["QUERY_STRING"] = path.partition("?")[2]
    request.GET = QueryDict(request.META["QUERY_STRING"])
    request._post = QueryDict(suspended["form"])  # type: ignore[attr-defined]
    request._files = MultiValueDict()  # type: ignore[attr-defined]
    request.csrf_processing_done = True  # type: ignore[attr-defined]
    return True


def _take_suspended(request: HttpRequest) -> dict[str, Any] | None:
    """Return the form of the token, once, if the person has confirmed meanwhile."""
    if not isinstance(request.user, User) or not is_recently_confirmed(request):
        return None
    stored = request.session.get(_SESSION_KEY)
    if stored is None:
        return None
    try:
        text = decrypt_for_session(request, _PURPOSE, stored)  # type: ignore[arg-type]
    except SecretUnreadable:  # its encryption key was removed meanwhile
        return None
    suspended: dict[str, Any] = json.loads(text)
    if not constant_time_compare(suspended["token"], request.GET.get(_PARAMETER, "")):
        return None
    del request.session[_SESSION_KEY]
    is_fresh = _now() - suspended["at"] < settings.REAUTHENTICATION.total_seconds()
    return suspended if is_fresh else None


def _path_without_token(request: HttpRequest) -> str:
    """Return path and query as they were when the form was sent.

    A path with two slashes in front would be the address of another host.
    """
    parts = request.META.get("QUERY_STRING", "").split("&")
    query = "&".join(part for part in parts if not part.startswith(f"{_PARAMETER}="))
    path = escape_leading_slashes(request.get_full_path().partition("?")[0])
    return f"{path}?{query}" if query else path


def _now() -> float:
    return timezone.now().timestamp()
