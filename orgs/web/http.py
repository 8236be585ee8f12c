"""One view, two renderings: the whole page, or the part htmx asked for."""

from collections.abc import Mapping
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags, quote_etag
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


# --- answers a caller may have already --------------------------------------------


KEEP = "private, no-cache"  # for oneself, asking each time whether it holds


def tag_of(*made_of: object) -> str:
    """An entity tag of all that a body is made of."""
    text = "\x00".join(map(str, made_of))
    return quote_etag(blake2b(text.encode(), digest_size=12).hexdigest())


def has_still(sent: str, tag: str) -> bool:
    """Whether `If-None-Match` names the tag.

    A proxy that compresses marks the tag as weak: the numbers are the same.
    """
    tags = parse_etags(sent)
    return tags == ["*"] or tag in [one.removeprefix("W/") for one in tags]


def tagged(response: HttpResponse, tag: str) -> HttpResponse:
    """The caller may keep it, for itself alone, and asks each time if it holds."""
    response["ETag"] = tag
    response["Cache-Control"] = KEEP
    return response


def unchanged() -> HttpResponse:
    response = HttpResponse(status=HTTPStatus.NOT_MODIFIED)
    del response["Content-Type"]
    return response
