"""Unsubscribing an address from a kind of alert by a signed link, without a login.

GET shows a page with a button and changes nothing, because mail scanners follow links.
POST unsubscribes, also when the email client posts by itself (RFC 8058).
"""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from billing.alerts.commands.unsubscribes import list_opt_outs, opt_in, opt_out
from billing.alerts.kinds import ALERT_KINDS
from billing.errors import UnknownOptOut
from orgs.access.actors import act_as_recipient
from orgs.models import Organization

_PAGE = "billing/alerts/unsubscribe.html"
_MAX_PARTS = 10


@csrf_exempt  # the token is the permission; email clients send no cookie
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link unsubscribes from; POST does it, or undoes it with `again`."""
    try:
        opt_outs = list_opt_outs(token)
        if request.method == "POST":
            act_as_recipient(opt_outs[0].address)
            again = "again" in request.POST
            (opt_in if again else opt_out)(token)
            state = "subscribed" if again else "unsubscribed"
        else:
            state = "confirm"
    except UnknownOptOut as error:
        return render(request, _PAGE, {"problem": error.message}, status=404)
    ids = {opt_out.organization_id for opt_out in opt_outs}
    names = Organization.objects.in_bulk(ids)
    parts = [
        {
            "organization": names[opt_out.organization_id].name,
            "kind": ALERT_KINDS[opt_out.kind],
        }
        for opt_out in opt_outs
        if opt_out.organization_id in names
    ]
    context = {
        "state": state,
        "address": opt_outs[0].address,
        "parts": parts[:_MAX_PARTS],
        "more": max(0, len(parts) - _MAX_PARTS),
    }
    return render(request, _PAGE, context)
