"""The customer page: usage, costs, limits, and bills of one organization, by a link.

The token is the only permission. A wrong, expired, or revoked one has the same answer,
so that nothing is disclosed. The page is stored by no cache, indexed by no search
engine, and sends its address, which has the token, to no other site.
"""

import logging
import math

import redis
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from billing.customer_pages.commands.links import count_open
from billing.customer_pages.queries.links import find_open_link
from billing.customer_pages.queries.usage import read_customer_usage
from orgs import access
from orgs.access.addresses import address_block, client_address
from orgs.access.view_as import view_of
from orgs.models import Organization
from orgs.queries.branding import branding_of
from orgs.rate_limiter import RateLimiter
from orgs.web.http import OrgRequest

logger = logging.getLogger(__name__)
PAGE = "billing/customer_pages/page.html"
_REFUSED = "billing/customer_pages/refused.html"
_NO_REFERRER = "no-referrer"
PER_MINUTE = 60  # of a link, and of an address whatever links it tries
_MINUTE_SECONDS = 60


@login_not_required
@require_safe
def customer_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show the page of a link; `period` is the number of the bill to explain."""
    address = address_block(client_address(request))
    if wait := _seconds_to_wait(f"address:{address}"):
        return _refuse(request, 429, wait)
    link = find_open_link(token)
    if link is None:
        return _refuse(request, 404)
    if wait := _seconds_to_wait(f"link:{link.pk}"):
        return _refuse(request, 429, wait)
    response = _show(request, link.organization)
    if request.method == "GET":
        count_open(link)
    if link.frame_origins:
        response._csp_replace = {  # type: ignore[attr-defined]  # of django-csp
            "frame-ancestors": list(link.frame_origins)
        }
        # Browsers that know `frame-ancestors` ignore the older header, but not all do.
        response.xframe_options_exempt = True
    return response


@require_safe
def customer_preview(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the page to staff who view as a member; others are led to start that."""
    organization = access.get_organization(
        access.principal_of(request.user), organization_id
    )
    view = view_of(request)
    if view is None or view.organization_id != organization.pk:
        return redirect("orgs:view_as", organization.pk)
    # Its address has no token, and the form that stops the view needs an origin.
    return _show(request, organization, referrer="same-origin")


def _show(
    request: HttpRequest, organization: Organization, *, referrer: str = _NO_REFERRER
) -> HttpResponse:
    """Render the page of an organization; the caller has checked the permission."""
    usage = read_customer_usage(organization, period=request.GET.get("period", ""))
    context = {
        "customer": usage,
        "organization": organization,
        "white_label": organization.white_label,
        "branding": branding_of(organization.white_label),
        "currency": organization.white_label.currency,
        "zone": organization.white_label.time_zone,
        "referrer": referrer,
    }
    return _seal(render(request, PAGE, context), referrer)


def _refuse(request: HttpRequest, status: int, wait: float = 0) -> HttpResponse:
    """Answer without a word about the link; `wait` seconds if there were too many."""
    response = render(request, _REFUSED, {"status": status}, status=status)
    if wait:
        response["Retry-After"] = str(math.ceil(wait))
    # Django would log the path, which has a token that may open the page later.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return _seal(response)


def _seal(response: HttpResponse, referrer: str = _NO_REFERRER) -> HttpResponse:
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = referrer
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _seconds_to_wait(name: str) -> float:
    """Take a token of the minute; without Valkey, tokens are too long to be guessed."""
    limiter = RateLimiter(
        name=f"customer-page:{name}",
        rate=PER_MINUTE,
        seconds=_MINUTE_SECONDS,
        burst=PER_MINUTE,
        refill=PER_MINUTE,
    )
    try:
        return limiter.acquire_token()
    except redis.RedisError as error:
        logger.warning("customer_page_not_counted error=%s", type(error).__name__)
        return 0
