"""Previews of every alert email with sample data, for staff who can change billing."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_replace, csp_update
from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_sameorigin

from billing.alerts.emails.links import fleet_alerts_url, unsubscribe_url
from billing.alerts.emails.rendering import RenderedEmail, render_email
from billing.alerts.emails.samples import SAMPLES, sample_context
from billing.alerts.kinds import ALERT_KINDS, AlertKind
from orgs import access
from orgs.catalog import Scope
from orgs.commands.customer_emails import reply_to_of, sender_of
from orgs.errors import Forbidden, NotFound
from orgs.models import User, WhiteLabel
from orgs.queries.branding import branding_of
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
    labels = _labels(request, folder)
    label = _chosen(request, labels)
    email = _rendered(folder, label)  # first: an unknown folder is a 404
    tab = "text" if request.GET.get("as") == "text" else "html"
    url = reverse("billing:alert_email", args=[folder])
    context: dict[str, Any] = {
        "nav_key": "settings",
        "label": _label(folder),
        "kind": _kind(folder),
        "email": email,
        "to": _SAMPLE_ADDRESS,
        "sender": sender_of(label),
        "reply_to": reply_to_of(label),
        "labels": labels,
        "white_label": label,
        "tab": tab,
        "html_url": reverse("billing:alert_email_html", args=[folder]) + _query(label),
        "tabs": [
            {"label": "HTML", "url": url + _query(label), "current": tab == "html"},
            {
                "label": "Text",
                "url": url + _query(label, **{"as": "text"}),
                "current": tab == "text",
            },
        ],
    }
    return page_or_fragment(request, _PAGE, _PAGE, context)


@csp_replace(  # type: ignore[arg-type]
    {
        "default-src": [NONE],
        "style-src": [UNSAFE_INLINE],  # email clients ignore style sheets
        "img-src": [SELF, settings.SITE_URL],  # the logo
        "frame-ancestors": [SELF],
    }
)
@xframe_options_sameorigin
def alert_email_html(request: OrgRequest, folder: str) -> HttpResponse:
    """Return the HTML body of an email; only the preview page may frame it."""
    _require_preview(request)
    labels = _labels(request, folder)
    return HttpResponse(_rendered(folder, _chosen(request, labels)).html)


def may_preview(principal: access.Principal, user: User) -> bool:
    """Return whether the user is staff with write access to billing."""
    return user.is_staff and Scope.BILLING_WRITE in principal.scopes


def _require_preview(request: OrgRequest) -> None:
    if not may_preview(access.principal_of(request.user), request.user):
        raise Forbidden("Only staff who can change billing can preview emails.")


def _labels(request: OrgRequest, folder: str) -> list[WhiteLabel]:
    """Return the white labels whose branding an email can have; none if for staff."""
    kind = _kind(folder)
    if kind is not None and kind.is_for_staff:
        return []
    return access.visible_white_labels(access.principal_of(request.user))


def _chosen(request: OrgRequest, labels: Sequence[WhiteLabel]) -> WhiteLabel | None:
    """Return the white label of the parameter, which the user may see, or None."""
    slug = request.GET.get("white_label", "")
    label = next((label for label in labels if label.slug == slug), None)
    if slug and label is None:
        raise NotFound("White label not found.")
    return label


def _query(label: WhiteLabel | None, **more: str) -> str:
    values = ({"white_label": label.slug} if label else {}) | more
    return f"?{urlencode(values)}" if values else ""


def _rendered(folder: str, label: WhiteLabel | None = None) -> RenderedEmail:
    if folder not in SAMPLES:
        raise NotFound("Email not found.")
    kind = _kind(folder)
    link = "" if kind is not None and kind.is_mandatory else unsubscribe_url("sample")
    url = fleet_alerts_url()
    context = sample_context(folder)
    if label is not None:
        context = {**context, "white_label": label.name}
    return render_email(
        folder,
        context,
        url=url,
        unsubscribe_url=link,
        branding=branding_of(label) if label else None,
    )


def _kind(folder: str) -> AlertKind | None:
    return ALERT_KINDS.get(folder)


def _label(folder: str) -> str:
    return "Combined alerts" if folder == _DIGEST else ALERT_KINDS[folder].label
