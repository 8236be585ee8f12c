"""One view, two renderings: the whole page, or the part htmx asked for."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

from orgs.models import User

_VARY = ["HX-Request", "HX-Boosted", "HX-History-Restore-Request"]


class OrgRequest(HttpRequest):
    """A request as the middleware leaves it."""

    htmx: HtmxDetails
    request_id: str
    user: User  # the pages' middleware lets nobody else in


def wants_fragment(request: HttpRequest) -> bool:
    """Boosted links and the Back button send HX-Request too but need the page."""
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    if not htmx:
        return False
    return not htmx.boosted and not htmx.history_restore_request


def page_or_fragment(
    request: OrgRequest,
    page: str,
    fragment: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    """Render the page, or only its fragment when htmx asked for that part.

    Nothing is kept by a cache: a page shows one white label's money.
    """
    template = fragment if wants_fragment(request) else page
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, _VARY)
    response["Cache-Control"] = "private, no-store"
    return response
