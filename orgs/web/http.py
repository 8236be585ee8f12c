"""HTTP helpers of pages and the API: page or fragment, and entity tags."""

import re
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
    """A request with the attributes that the middleware adds."""

    htmx: HtmxDetails
    request_id: str
    user: User  # the middleware of pages lets only users in


def wants_fragment(request: HttpRequest) -> bool:
    """Return whether htmx asks for a part of the page.

    Boosted links and the Back button also send `HX-Request`, but need the whole page.
    """
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
    """Render the page, or only its fragment if htmx asks for that.

    The response must not be cached: pages show the finances of one white label.
    """
    template = fragment if wants_fragment(request) else page
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, _VARY)
    response["Cache-Control"] = "private, no-store"
    return response


# One slash, not two, and nothing that browsers leave out (tabs) or read as a slash.
_INTERNAL_PATH = re.compile(r"/(?!/)[^\\\x00-\x20\x7f]*")


def is_internal_path(url: str) -> bool:
    """Return whether a URL is a path of this site, which a redirect may lead to.

    Anything that names a scheme or host is not, even if it is this site's.
    """
    return _INTERNAL_PATH.fullmatch(url) is not None


# Clients may store the response, but have to validate its entity tag at each use.
REVALIDATE = "private, no-cache"


def entity_tag(*parts: object) -> str:
    """Return the entity tag of a body that depends only on these values."""
    text = "\x00".join(map(str, parts))
    return quote_etag(blake2b(text.encode(), digest_size=12).hexdigest())


def matches_tag(if_none_match: str, tag: str) -> bool:
    """Return whether a header `If-None-Match` contains the tag.

    Weak tags match too: a proxy that compresses a response makes its tag weak.
    """
    tags = parse_etags(if_none_match)
    return tags == ["*"] or tag in [sent.removeprefix("W/") for sent in tags]


def add_tag(response: HttpResponse, tag: str) -> HttpResponse:
    """Add the entity tag to a response, and let clients store it."""
    response["ETag"] = tag
    response["Cache-Control"] = REVALIDATE
    return response


def not_modified() -> HttpResponse:
    """Return the response 304, without a body."""
    response = HttpResponse(status=HTTPStatus.NOT_MODIFIED)
    del response["Content-Type"]
    return response
