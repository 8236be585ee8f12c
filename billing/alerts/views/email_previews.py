"""Previews of every alert email with sample data, for staff who can change billing."""

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_replace, csp_update
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_sameorigin

from billing.alerts.emails.links import fleet_alerts_url, unsubscribe_url
from billing.alerts.emails.rendering import RenderedEmail, render_email
from billing.alerts.emails.samples import SAMPLES, sample_context
from billing.alerts.kinds import ALERT_KINDS, AlertKind
from orgs import access
from orgs.catalog import Scope
from orgs.errors import Forbidden, NotFound
from orgs.models import User
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE, _LIST = "billing/alerts/email_preview.html", "billing/alerts/email_previews.html"
_DIGEST = "digest"
_SAMPLE_ADDRESS = "ops@example.com"


def alert_emails(request: OrgRequest) -> HttpResponse:
    """List the emails with subject, frequency and whether one can unsubscribe."""
    _require_preview(request)
    rows = [
        {
            "kind": _kind(folder),
            "label": _label(folder),
            "url": reverse("billing:alert_email", args=[folder]),
            "subject": _rendered(folder).subject,
        }
        for folder in SAMPLES
    ]
    context = {"nav_key": "settings", "rows": rows}
    return page_or_fragment(request, _LIST, _LIST, context)


@csp_update({"frame-src": [SELF]})  # type: ignore[arg-type]
def alert_email(request: OrgRequest, folder: str) -> HttpResponse:
    """Show the headers of an email, and its HTML or its text (`as=text`)."""
    _require_preview(request)
    email = _rendered(folder)  # first: an unknown folder is a 404
    tab = "text" if request.GET.get("as") == "text" else "html"
    url = reverse("billing:alert_email", args=[folder])
    context: dict[str, Any] = {
        "nav_key": "settings",
        "label": _label(folder),
        "kind": _kind(folder),
        "email": email,
        "to": _SAMPLE_ADDRESS,
        "tab": tab,
        "html_url": reverse("billing:alert_email_html", args=[folder]),
        "tabs": [
            {"label": "HTML", "url": url, "current": tab == "html"},
            {"label": "Text", "url": f"{url}?as=text", "current": tab == "text"},
        ],
    }
    return page_or_fragment(request, _PAGE, _PAGE, context)


@csp_replace(  # type: ignore[arg-type]
    {
        "default-src": [NONE],
        "style-src": [UNSAFE_INLINE],  # email clients ignore style sheets
        "frame-ancestors": [SELF],
    }
)
@xframe_options_sameorigin
def alert_email_html(request: OrgRequest, folder: str) -> HttpResponse:
    """Return the HTML body of an email; only the preview page may frame it."""
    _require_preview(request)
    return HttpResponse(_rendered(folder).html)


def may_preview(principal: access.Principal, user: User) -> bool:
    """Return whether the user is staff with write access to billing."""
    return user.is_staff and Scope.BILLING_WRITE in principal.scopes


def _require_preview(request: OrgRequest) -> None:
    if not may_preview(access.principal_of(request.user), request.user):
        raise Forbidden("Only staff who can change billing can preview emails.")


def _rendered(folder: str) -> RenderedEmail:
    if folder not in SAMPLES:
        raise NotFound("Email not found.")
    kind = _kind(folder)
    link = "" if kind is not None and kind.is_mandatory else unsubscribe_url("sample")
    url = fleet_alerts_url()
    context = sample_context(folder)
    return render_email(folder, context, url=url, unsubscribe_url=link)


def _kind(folder: str) -> AlertKind | None:
    return ALERT_KINDS.get(folder)


def _label(folder: str) -> str:
    return "Combined alerts" if folder == _DIGEST else ALERT_KINDS[folder].label
