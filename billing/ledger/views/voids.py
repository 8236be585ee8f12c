"""Voiding wrong usage: an event or a range, seen before anything happens."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from billing.ledger.commands.voids import Corrected, void_usage
from billing.ledger.forms import VoidForm
from billing.ledger.queries.voids import Voiding, preview_voiding
from billing.ledger.views.corrections import Corrector, Once, corrector
from metrics import tasks
from metrics.commands.voids import void_correction
from metrics.queries.voids import UsageRange
from orgs.errors import DomainError
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment
from orgs.web.templatetags.display import count, money

_PAGE, _PANEL = "billing/ledger/voids.html", "billing/ledger/_voids_panel.html"
MOST = 50_000  # events that a page voids while one waits: two seconds or so


def void(request: OrgRequest, organization_id: int) -> HttpResponse:
    """`step=preview` shows events, quantities and cost; `step=apply` voids them."""
    by = corrector(request, organization_id)
    if request.method != "POST":
        return _page(request, by, VoidForm(organization=by.organization))
    form = VoidForm(request.POST, organization=by.organization)
    if request.POST.get("step") == "change":
        kept = VoidForm(initial=request.POST.dict(), organization=by.organization)
        return _page(request, by, kept)
    if not form.is_valid():
        return _page(request, by, form, status=422)
    voiding = preview_voiding(form.cleaned_data["chosen"])
    if request.POST.get("step") != "apply":
        return _page(request, by, form, voiding=voiding)
    if problem := _problem(request, voiding) or _apply(request, form, by):
        voiding = preview_voiding(form.cleaned_data["chosen"])
        return _page(request, by, form, voiding=voiding, problem=problem, status=409)
    return redirect("billing:void", organization_id)


def _events(voiding: Voiding) -> int:
    return sum(voiding.usage.events.values())


def _problem(request: OrgRequest, voiding: Voiding) -> str:
    """Why it is not done as it was seen; empty: it is."""
    if _events(voiding) > MOST:
        return _TOO_MANY
    if request.POST.get("events") != str(_events(voiding)):
        return "The events in this range have changed. Review the new preview."
    return ""


_TOO_MANY = (
    f"More than {MOST:,} events. Use `manage.py void_usage`, which works in batches."
)


def _apply(request: OrgRequest, form: VoidForm, by: Corrector) -> str:
    """What is wrong; empty: it is done, now or by the same form before."""
    once = Once(form.cleaned_data["form"])
    if not once.is_first():
        return ""
    try:
        done = _void(form.cleaned_data["chosen"], form, by)
    except DomainError as error:
        once.forget()
        return error.message
    except Exception:
        once.forget()
        raise
    enqueue(tasks.roll_up_usage)
    messages.success(request, _told(done, by.currency))
    return ""


def _void(chosen: UsageRange, form: VoidForm, by: Corrector) -> Corrected:
    correction = void_correction(by=by.name, note=form.cleaned_data["note"].strip())
    return void_usage(chosen, correction=correction, as_credit=True)


def _told(done: Corrected, currency: str) -> str:
    parts = []
    if done.voided:
        cost = money(done.cost, currency)
        parts.append(f"voided {count(done.voided)} events ({cost})")
    if done.credited:
        credit = money(done.credit, currency)
        parts.append(f"refunded {count(done.credited)} events as {credit} credit")
    sentence = ", ".join(parts) or "no usage left to void"
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _page(
    request: OrgRequest,
    by: Corrector,
    form: VoidForm,
    *,
    voiding: Voiding | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        **by.context(request, "usage"),
        "form": form,
        "voiding": voiding,
        "problem": problem,
    }
    if voiding:
        context |= {
            "events": _events(voiding),
            "too_many": _TOO_MANY if _events(voiding) > MOST else "",
        }
    return page_or_fragment(request, _PAGE, _PANEL, context, status=status)
