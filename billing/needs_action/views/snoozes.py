"""Pages that snooze a reason of an organization, and end a snooze."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.models import ReasonSnooze
from billing.needs_action.commands.snoozes import end_snooze, snooze_reason
from billing.needs_action.forms import SnoozeReasonForm
from billing.needs_action.kinds import ReasonKind
from billing.needs_action.queries.reasons import Reason, list_reasons
from billing.needs_action.queries.texts import reason_text
from billing.staff import StaffContext, require_billing_read, require_billing_write
from orgs import access
from orgs.errors import NotFound
from orgs.models import Organization
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/needs_action/snooze.html"


def snooze(request: OrgRequest, organization_id: int, kind: str) -> HttpResponse:
    """Show the form that snoozes a reason; on POST preview it, or write it.

    A POST with `step=apply` writes; any other previews. A reason that does not apply is
    not found.
    """
    staff = require_billing_read(request)
    organization = access.get_organization(staff.principal, organization_id)
    reason = _find_reason(staff, organization, kind)
    label, now = organization.white_label, staff.now
    if request.method != "POST":
        form = SnoozeReasonForm(label=label, now=now)
        return _page(request, staff, organization, reason, form)
    staff = require_billing_write(request, needs_stripe=False)
    form = SnoozeReasonForm(request.POST, label=label, now=now)
    if not form.is_valid():
        return _page(request, staff, organization, reason, form, status=422)
    if request.POST.get("step") != "apply":
        return _page(request, staff, organization, reason, form, is_preview=True)
    note, by = form.cleaned_data["note"], staff.principal.name
    snooze_reason(organization, reason, until=form.ends_at, note=note, by=by)
    messages.success(
        request, f"Snoozed. To undo, end the snooze of {organization.name} here."
    )
    return redirect(f"{reverse('billing:needs_action')}?snoozed=1")


@require_POST
def end_reason_snooze(request: OrgRequest, snooze_id: int) -> HttpResponse:
    """End a snooze, so that its reason is shown again."""
    staff = require_billing_write(request, needs_stripe=False)
    rows = ReasonSnooze.objects.filter(pk=snooze_id).select_related("organization")
    row = rows.first()
    if row is None or not staff.principal.reaches(row.organization):
        raise NotFound("Snooze not found.")
    end_snooze(row, by=staff.principal.name)
    messages.success(request, f"Snooze of {row.organization.name} ended.")
    return redirect("billing:needs_action")


def _find_reason(staff: StaffContext, organization: Organization, kind: str) -> Reason:
    """Return an open or snoozed reason; raises `NotFound` if it does not apply."""
    if kind in tuple(ReasonKind):
        need = list_reasons([organization.pk], now=staff.now).get(organization.pk)
        for reason in (*need.reasons, *need.snoozed) if need else ():
            if reason.kind == kind:
                return reason
    raise NotFound("This reason does not apply any more.")


def _page(
    request: OrgRequest,
    staff: StaffContext,
    organization: Organization,
    reason: Reason,
    form: SnoozeReasonForm,
    *,
    is_preview: bool = False,
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        "nav_key": "needs_action",
        "organization": organization,
        "zone": organization.white_label.time_zone,
        "reason": reason,
        "text": reason_text(reason, organization.white_label, staff.now),
        "form": form,
        "is_preview": is_preview,
        "blocked_reason": staff.write_blocked_reason,
    }
    return page_or_fragment(request, _PAGE, _PAGE, context, status=status)
