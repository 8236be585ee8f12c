"""The tab of an organization's links to its customer page: list, make, and revoke."""

from typing import Any

import pghistory
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from billing.customer_pages.commands.links import create_link, email_link, revoke_link
from billing.customer_pages.forms import NewLinkForm, ReasonForm
from billing.customer_pages.queries.links import list_contacts, list_links
from billing.customer_pages.tasks import send_customer_link
from billing.models import CustomerLink
from billing.staff import require_billing_read
from orgs import access
from orgs.errors import Conflict, NotFound
from orgs.models import Organization
from orgs.queue.enqueue import enqueue
from orgs.web.edits import show_error
from orgs.web.http import OrgRequest, page_or_fragment
from orgs.web.once import keep_secret, take_secret

_PAGE = "billing/customer_pages/links.html"
READ_ONLY = "Your role cannot make or revoke links to the customer page."


@require_http_methods(["GET", "HEAD", "POST"])
def customer_links(request: OrgRequest, organization_id: int) -> HttpResponse:
    """List the links of an organization; POST makes one, shown once or sent."""
    organization = _organization(request, organization_id)
    form = NewLinkForm(request.POST or None, organization=organization)
    if request.method == "POST" and organization.deleted_at is not None:
        form.add_error(None, "The organization is deleted. Its page cannot be opened.")
    if request.method == "POST" and form.is_valid():
        access.require_recent_authentication(request)
        try:
            with pghistory.context(note=form.cleaned_data["reason"]):
                _make(request, organization, form.cleaned_data)
        except Conflict as error:
            show_error(form, error)
        else:
            return redirect("billing:customer_links", organization_id)
    return _page(request, organization, form)


@require_POST
def revoke_customer_link(
    request: OrgRequest, organization_id: int, link_id: int
) -> HttpResponse:
    """Revoke a link with a reason; its page is gone at once."""
    organization = _organization(request, organization_id)
    link = CustomerLink.objects.filter(organization=organization, pk=link_id).first()
    if link is None:
        raise NotFound("Link not found.")
    form = ReasonForm(request.POST, auto_id=f"id_revoke_{link.pk}_%s")
    if not form.is_valid():
        empty = NewLinkForm(organization=organization)
        return _page(request, organization, empty, revoking=(link.pk, form))
    with pghistory.context(note=form.cleaned_data["reason"]):
        revoke_link(link)
    messages.success(request, "Link revoked. It no longer opens the page.")
    return redirect("billing:customer_links", organization_id)


def _organization(request: OrgRequest, organization_id: int) -> Organization:
    staff = require_billing_read(request)
    return access.get_organization(
        staff.principal, organization_id, include_deleted=True
    )


def _make(
    request: OrgRequest, organization: Organization, data: dict[str, Any]
) -> None:
    """Make the link: it is sent, or the page that follows shows it once."""
    facts = {"name": data["name"], "days": data["days"]}
    if address := data["address"]:
        email = email_link(organization, request.user, address=address, **facts)
        enqueue(send_customer_link, email.pk)
        messages.success(request, f"The link is being sent to {address}.")
        return
    _, token = create_link(
        organization, request.user, frame_origins=data["frame_origins"], **facts
    )
    path = reverse("billing:customer_page", args=[token])
    keep_secret(request, _purpose(organization), f"{settings.SITE_URL}{path}")


def _purpose(organization: Organization) -> str:
    return f"customer link {organization.pk}"


def _page(
    request: OrgRequest,
    organization: Organization,
    form: NewLinkForm,
    *,
    revoking: tuple[int, ReasonForm] | None = None,
) -> HttpResponse:
    now = timezone.now()
    rows = [
        {"link": link, "has_ended": link.has_ended(now), "form": _form(link, revoking)}
        for link in list_links(organization)
    ]
    may_write = request.user.has_perm("billing.add_customerlink")
    context = {
        "organization": organization,
        "zone": organization.white_label.time_zone,
        "tab": "customer_page",
        "nav_key": "organizations",
        "rows": rows,
        "form": form,
        "contacts": list_contacts(organization) if may_write else [],
        "blocked_reason": "" if may_write else READ_ONLY,
        "url": take_secret(request, _purpose(organization)),
    }
    status = 422 if form.errors or revoking else 200
    return page_or_fragment(request, _PAGE, _PAGE, context, status=status)


def _form(link: CustomerLink, revoking: tuple[int, ReasonForm] | None) -> ReasonForm:
    if revoking and revoking[0] == link.pk:
        return revoking[1]
    return ReasonForm(auto_id=f"id_revoke_{link.pk}_%s")
