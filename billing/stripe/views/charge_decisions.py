"""Page of a charge that its invoice lost: charge it again, write it off, return it."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from billing.ledger.commands.decisions import possible_decisions
from billing.ledger.forms import ChargeDecisionForm
from billing.ledger.queries.differences import ChargeDifference, find_difference
from billing.ledger.views.corrections import (
    CorrectionContext,
    require_correction_access,
)
from billing.models import Charge, ChargeDecision
from billing.stripe.commands.charge_decisions import decide_charge
from orgs.errors import DomainError, NotFound
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/stripe/charge_decision.html"
_PANEL = "billing/stripe/_charge_decision_panel.html"
_BUTTONS = {
    ChargeDecision.Kind.CHARGE_AGAIN: "Charge again on the next draft",
    ChargeDecision.Kind.WRITE_OFF: "Write off",
    ChargeDecision.Kind.RETURN: "Return as credit",
}


def charge_decision(
    request: OrgRequest, organization_id: int, charge_id: int
) -> HttpResponse:
    """Show what Stripe's invoice lacks of a charge; a POST decides about it once."""
    correction = require_correction_access(request, organization_id)
    charge = Charge.objects.filter(
        pk=charge_id, period__organization_id=organization_id
    ).first()
    if charge is None:
        raise NotFound("Charge not found.")
    form = ChargeDecisionForm(request.POST or None)
    if (
        request.method == "POST"
        and form.is_valid()
        and _decide(form, charge, correction)
    ):
        messages.success(request, "Decision saved.")
        return redirect(_periods_url(charge, organization_id))
    return _page(request, correction, charge, form)


def _decide(
    form: ChargeDecisionForm, charge: Charge, correction: CorrectionContext
) -> bool:
    """Decide once per form; return False and set an error if it was refused."""
    data = form.cleaned_data
    try:
        decide_charge(
            charge.pk,
            data["decision"],
            note=data["note"],
            by=correction.staff_name,
            key=data["idempotency_key"],
        )
    except DomainError as error:
        form.add_error(None, error.message)
        return False
    return True


def _periods_url(charge: Charge, organization_id: int) -> str:
    url = reverse("billing:periods", args=[organization_id])
    return f"{url}?period={charge.period.number}"


def _page(
    request: OrgRequest,
    correction: CorrectionContext,
    charge: Charge,
    form: ChargeDecisionForm,
) -> HttpResponse:
    difference = find_difference(charge.pk)
    context: dict[str, Any] = {
        **correction.template_context(request, "billing"),
        "charge": charge,
        "difference": difference,
        "decisions": charge.decisions.order_by("-pk"),
        "buttons": _buttons(difference),
        "form": form,
        "periods_url": _periods_url(charge, correction.organization.pk),
    }
    status = 422 if form.is_bound else 200
    return page_or_fragment(request, _PAGE, _PANEL, context, status=status)


def _buttons(difference: ChargeDifference | None) -> list[tuple[str, str]]:
    kinds = possible_decisions(difference) if difference else ()
    return [(kind, _BUTTONS[ChargeDecision.Kind(kind)]) for kind in kinds]
