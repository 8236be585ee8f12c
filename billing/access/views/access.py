"""The page of an organization's access: restore, activate or deactivate it."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from billing.access.commands.organizations import change_availability
from billing.access.decision import MESSAGES
from billing.access.forms import AvailabilityForm
from billing.access.queries.explanations import reason_facts
from billing.access.queries.facts import list_access_details
from billing.access.texts import reason_text
from orgs import access
from orgs.access import Principal
from orgs.catalog import Scope
from orgs.models import Organization
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/access/access.html"
READ_ONLY = "Your role cannot change organizations."


@dataclass(frozen=True, slots=True)
class _Change:
    """A possible change: its name, button, effect, and the message afterwards."""

    name: str
    label: str
    effect: str
    done: str
    tone: str = "primary"


_RESTORE = _Change(
    "restore",
    "Restore organization",
    "The organization appears in lists again. A deletion that is planned is canceled.",
    "Organization restored.",
)
_ACTIVATE = _Change(
    "activate",
    "Activate organization",
    "API requests are served again unless another reason refuses them.",
    "Organization activated.",
)
_DEACTIVATE = _Change(
    "deactivate",
    "Deactivate organization",
    "API requests are refused from now on. Usage that still arrives is recorded and"
    " billed.",
    "Organization deactivated.",
    "danger",
)


def access_page(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the change that is possible; on POST preview it, or make it.

    A POST with `step=apply` writes; any other previews. A change that was made
    meanwhile shows the page again.
    """
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    may_write = Scope.ORGANIZATIONS_WRITE in principal.scopes
    if request.method != "POST":
        context = {"blocked_reason": "" if may_write else READ_ONLY}
        return _page(request, organization, _new_form(organization), context)
    principal.require(Scope.ORGANIZATIONS_WRITE)
    form = AvailabilityForm(request.POST)
    change = _possible_change(organization)
    if form.is_valid() and form.cleaned_data["change"] != change.name:
        form.add_error(None, "The organization was changed meanwhile. Review it again.")
        return _page(request, organization, form, {}, status=409)
    if not form.is_valid():
        return _page(request, organization, form, {}, status=422)
    if request.POST.get("step") != "apply":
        preview = _preview(organization, change, principal)
        return _page(request, organization, form, preview)
    access.require_recent_authentication(request)
    change_availability(organization, change.name, note=form.cleaned_data["note"])
    messages.success(request, change.done)
    return redirect("billing:access", organization_id)


def _possible_change(organization: Organization) -> _Change:
    if organization.deleted_at is not None:
        return _RESTORE
    return _DEACTIVATE if organization.is_active else _ACTIVATE


def _new_form(organization: Organization) -> AvailabilityForm:
    return AvailabilityForm(initial={"change": _possible_change(organization).name})


def _preview(
    organization: Organization, change: _Change, principal: Principal
) -> dict[str, Any]:
    """Return the reasons to refuse access that remain after the change."""
    now = timezone.now()
    details = list_access_details([organization.pk], now=now)[organization.pk]
    changed: dict[str, dict[str, Any]] = {
        "restore": {"deleted_at": None},
        "activate": {"inactive_since": None},
        "deactivate": {"inactive_since": now},
    }
    zone = organization.white_label.zone
    codes = details.case.with_facts(**changed[change.name]).refused_codes(now)
    shows_money = Scope.BILLING_READ in principal.scopes
    remaining = [
        reason_text(code, reason_facts(code, details, now), zone)
        if shows_money
        else MESSAGES[code]
        for code in codes
    ]
    return {"is_preview": True, "codes_after": codes, "remaining": remaining}


def _page(
    request: OrgRequest,
    organization: Organization,
    form: AvailabilityForm,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    context = {
        "organization": organization,
        "tab": "",
        "nav_key": "organizations",
        "zone": organization.white_label.time_zone,
        "change": _possible_change(organization),
        "form": form,
        **context,
    }
    return page_or_fragment(request, _PAGE, _PAGE, context, status=status)
