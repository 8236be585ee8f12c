"""Credits and free balance: the ledger, and a line more, previewed."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from billing.ledger.commands.credits import grant_credit, take_back_credit
from billing.ledger.forms import CreditForm
from billing.ledger.queries.credits import balances, list_credits, preview_credit
from billing.ledger.queries.facts import BillingFacts
from billing.ledger.views.corrections import Corrector, Once, corrector
from billing.models import CreditEntry
from orgs.errors import DomainError
from orgs.models import Organization
from orgs.web.http import OrgRequest, page_or_fragment
from orgs.web.templatetags.display import money

_PAGE, _PANEL = "billing/ledger/credits.html", "billing/ledger/_credits_panel.html"


def credits(request: OrgRequest, organization_id: int) -> HttpResponse:  # noqa: A001
    """Who was given what and why; `step=preview` writes nothing, `step=apply` does."""
    by = corrector(request, organization_id)
    if request.method != "POST":
        return _page(request, by, CreditForm())
    form = CreditForm(request.POST)
    if request.POST.get("step") == "change":
        return _page(request, by, CreditForm(initial=request.POST.dict()))
    if not form.is_valid() or not _is_covered(form, by):
        return _page(request, by, form, status=422)
    if request.POST.get("step") != "apply":
        return _page(request, by, form, preview=True)
    if not _apply(form, by):
        return _page(request, by, form, status=422)
    amount = money(form.cleaned_data["amount"], by.currency)
    verb = "Removed" if form.signed < 0 else "Added"
    kind = CreditEntry.Kind(form.cleaned_data["kind"]).label.lower()
    messages.success(request, f"{verb} {amount} of {kind}.")
    return redirect("billing:credits", organization_id)


def _is_covered(form: CreditForm, by: Corrector) -> bool:
    kind = form.cleaned_data["kind"]
    found = preview_credit(by.organization, kind=kind, amount=form.signed)
    if not found.is_allowed:
        form.add_error(
            "amount", "Enter an amount no higher than the remaining balance."
        )
    return found.is_allowed


def _apply(form: CreditForm, by: Corrector) -> bool:
    """Once, however often the form is sent; whether it was not refused."""
    once, data = Once(form.cleaned_data["form"]), form.cleaned_data
    change = take_back_credit if form.signed < 0 else grant_credit
    if not once.is_first():
        return True
    try:
        change(
            by.organization.pk,
            kind=data["kind"],
            amount=data["amount"],
            note=data["note"],
            by=by.name,
        )
    except DomainError as error:
        once.forget()
        form.add_error("amount", error.message)
        return False
    except Exception:
        once.forget()
        raise
    return True


def _page(
    request: OrgRequest,
    by: Corrector,
    form: CreditForm,
    *,
    preview: bool = False,
    status: int = 200,
) -> HttpResponse:
    context = by.context(request, "billing") | ledger(by.organization)
    context["form"] = form
    if preview:
        kind, amount = form.cleaned_data["kind"], form.signed
        found = preview_credit(by.organization, kind=kind, amount=amount)
        context |= {
            "preview": found,
            "amount": amount,
            "kind_left": found.balances.of(kind),
            "kind_then": found.changed.of(kind),
        }
    return page_or_fragment(request, _PAGE, _PANEL, context, status=status)


def ledger(
    organization: Organization, facts: BillingFacts | None = None
) -> dict[str, Any]:
    """What the card of credits shows, here and on the billing tab."""
    return {
        "balances": balances(organization, facts),
        "credit_lines": list_credits(organization.pk),
    }
