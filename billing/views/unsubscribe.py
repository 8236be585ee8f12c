"""Who wants no more letters of a kind: a signed link, no login.

GET shows a page with a button and changes nothing, for mail scanners follow links; POST
does it, also when a mail program posts by itself (RFC 8058).
"""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from billing.catalog import ALERT_KINDS
from billing.commands import letters
from billing.errors import UnknownOptOut
from orgs.models import Organization

_PAGE = "billing/unsubscribe.html"
_SHOWN = 10


@csrf_exempt  # the token is the permission; a mail program has no cookie
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Says what the link is for; a POST opts out, or, with `again`, back in."""
    try:
        found = letters.list_opt_outs(token)
        if request.method == "POST":
            again = "again" in request.POST
            (letters.opt_in_all if again else letters.opt_out_all)(token)
            state = "back" if again else "out"
        else:
            state = "asked"
    except UnknownOptOut as error:
        return render(request, _PAGE, {"problem": error.message}, status=404)
    ids = {one.organization_id for one in found}
    names = Organization.objects.in_bulk(ids)
    parts = [
        {"organization": names[one.organization_id].name, "kind": ALERT_KINDS[one.kind]}
        for one in found
        if one.organization_id in names
    ]
    context = {
        "state": state,
        "address": found[0].address,
        "parts": parts[:_SHOWN],
        "more": max(0, len(parts) - _SHOWN),
    }
    return render(request, _PAGE, context)
