"""Page of an organization's credits and free balance."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from billing.ledger.commands.credits import (
    OnceOnly,
    grant_credit,
    take_back_credit,
)
from billing.ledger.forms import CreditForm
from billing.ledger.queries.credits import get_balances, list_credits, preview_credit
from billing.ledger.queries.facts import BillingFacts
from billing.ledger.views.corrections import (
    CorrectionContext,
    require_correction_access,
)
from billing.models import CreditEntry
from orgs.errors import DomainError
from orgs.models import Organization
from orgs.web.http import OrgRequest, page_or_fragment
from orgs.web.templatetags.display import money

_PAGE, _PANEL = "billing/ledger/credits.html", "billing/ledger/_credits_panel.html"
_SUGGESTED = {"correction", "kind", "amount"}  # fields that a link may fill in


def credits(request: OrgRequest, organization_id: int) -> HttpResponse:  # noqa: A001
    """Show the credit ledger, and add or remove credit after a preview.

    A POST with `step=preview` writes nothing, one with `step=apply` does; `step=change`
    returns to the form with its values.
    """
    correction = require_correction_access(request, organization_id)
    organization = correction.organization
    if request.method != "POST":
        suggested = {name: request.GET[name] for name in _SUGGESTED & {*request.GET}}
        form = CreditForm(initial=suggested, organization=organization)
        return _page(request, correction, form)
    form = CreditForm(request.POST, organization=organization)
    if request.POST.get("step") == "change":
        form = CreditForm(initial=request.POST.dict(), organization=organization)
        return _page(request, correction, form)
    if not form.is_valid() or not _check_balance(form, correction):
        return _page(request, correction, form, status=422)
    if request.POST.get("step") != "apply":
        return _page(request, correction, form, preview=True)
    if not _apply(form, correction):
        return _page(request, correction, form, status=422)
    amount = money(form.cleaned_data["amount"], correction.currency)
    verb = "Removed" if form.signed_amount < 0 else "Added"
    kind = CreditEntry.Kind(form.cleaned_data["kind"]).label.lower()
    messages.success(request, f"{verb} {amount} of {kind}.")
    return redirect("billing:credits", organization_id)


def _check_balance(form: CreditForm, correction: CorrectionContext) -> bool:
    """Return whether the balance is high enough; if not, the form gets an error."""
    kind = form.cleaned_data["kind"]
    preview = preview_credit(
        correction.organization, kind=kind, amount=form.signed_amount
    )
    if not preview.is_allowed:
        form.add_error(
            "amount", "Enter an amount no higher than the remaining balance."
        )
    return preview.is_allowed


def _apply(form: CreditForm, correction: CorrectionContext) -> bool:
    """Change the balance once per form; return False and set an error if refused."""
    data = form.cleaned_data
    change = take_back_credit if form.signed_amount < 0 else grant_credit
    try:
        change(
            correction.organization.pk,
            kind=data["kind"],
            amount=data["amount"],
            note=data["note"],
            by=correction.staff_name,
            once=OnceOnly(data["idempotency_key"]),
        )
    except DomainError as error:
        form.add_error("amount", error.message)
        return False
    return True


def _page(
    request: OrgRequest,
    correction: CorrectionContext,
    form: CreditForm,
    *,
    preview: bool = False,
    status: int = 200,
) -> HttpResponse:
    context = correction.template_context(request, "billing")
    context |= credits_card_context(
        correction.organization, open_cost=context["period"].cost.cost
    )
    context["form"] = form
    if preview:
        kind, amount = form.cleaned_data["kind"], form.signed_amount
        credit_preview = preview_credit(
            correction.organization, kind=kind, amount=amount
        )
        context |= {
            "preview": credit_preview,
            "amount": amount,
            "balance_before": credit_preview.balances.get(kind),
            "balance_after": credit_preview.changed_balances.get(kind),
        }
    return page_or_fragment(request, _PAGE, _PANEL, context, status=status)


def credits_card_context(
    organization: Organization,
    facts: BillingFacts | None = None,
    *,
    open_cost: Decimal,
) -> dict[str, Any]:
    """Return the template variables of the credits card, also on the billing tab."""
    return {
        "balances": get_balances(organization, facts, open_cost=open_cost),
        "credit_entries": list_credits(organization.pk),
    }
