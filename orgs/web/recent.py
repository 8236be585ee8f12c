"""The organizations that a user visited last, in the session."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest
from django.http.response import HttpResponseBase

_KEY = "recent_organizations"
_MAX_RECENT = 8
_PAGES = frozenset({"billing", "metrics", "orgs"})  # namespaces of URLs


def recent_ids(request: HttpRequest) -> list[int]:
    """Return the ids of the organizations visited last, the latest first.

    They are ids only: what the user may see of them is checked when they are shown.
    """
    stored = request.session.get(_KEY, [])
    return [id_ for id_ in stored if isinstance(id_, int)][:_MAX_RECENT]


class RecentOrganizationsMiddleware:
    """Remembers in the session which organization a page was about.

    The session is written when another organization is opened, not at each page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code == HTTPStatus.OK and (id_ := _organization_id(request)):
            recent = recent_ids(request)
            if recent[:1] != [id_]:
                others = [other for other in recent if other != id_]
                request.session[_KEY] = [id_, *others][:_MAX_RECENT]
        return response


def _organization_id(request: HttpRequest) -> int:
    """Return the organization of a page; 0 for others, and for calls of the API."""
    match = request.resolver_match
    if match is None or request.method != "GET" or match.namespace not in _PAGES:
        return 0
    id_ = match.kwargs.get("organization_id", 0)
    return id_ if isinstance(id_, int) else 0
