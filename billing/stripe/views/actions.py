"""Acting on Stripe: a form for each action, and the row it becomes, live.

Every form is a page with an address of its own and, for htmx, the panel above the tab.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing.models import StripeAction, Subscription
from billing.staff import StaffContext, require_billing_read, require_billing_write
from billing.stripe import tasks
from billing.stripe.commands.actions import requests
from billing.stripe.commands.actions.previews import find_customers, preview_change
from billing.stripe.forms import (
    FORMS,
    NOW,
    ActionForm,
    SearchForm,
    SeatsChoice,
    TierChoice,
    late_problem,
    tier_choices,
)
from billing.stripe.queries.actions import (
    OF_SUBSCRIPTION,
    ActionContext,
    action_context,
    find_requested,
    get_action,
    why_not,
)
from billing.stripe.views.billing import PAGE, tab
from orgs import access
from orgs.errors import NotFound
from orgs.models import Organization
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

Kind = StripeAction.Kind
_FORM, _ACTION = "billing/stripe/_action_form.html", "billing/stripe/_action.html"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form is about: who asks, of whom, what, and what is so now."""

    staff: StaffContext
    organization: Organization
    kind: Kind
    now: ActionContext
    subscription: Subscription | None

    @property
    def url(self) -> str:
        args: list[object] = [self.organization.pk]
        if self.subscription is None:
            return reverse("billing:request_action", args=[*args, slug_of(self.kind)])
        args += [self.subscription.pk, slug_of(self.kind)]
        return reverse("billing:request_action_on", args=args)

    @property
    def of(self) -> Subscription:
        """For the kinds that have one."""
        if self.subscription is None:
            raise AssertionError(self.kind)
        return self.subscription

    @property
    def why_not(self) -> str:
        return why_not(self.kind, self.now, self.subscription)

    def form(self, data: QueryDict | None = None, **initial: Any) -> ActionForm:
        return FORMS[self.kind](
            data,
            initial=initial,
            organization=self.organization,
            now=self.now,
            subscription=self.subscription,
        )


def slug_of(kind: str) -> str:
    return kind.replace("_", "-")


def request_action(
    request: OrgRequest,
    organization_id: int,
    kind: str,
    subscription_id: int | None = None,
) -> HttpResponse:
    """GET shows the form, with its preview where it has one; POST asks for it."""
    asked = _asked(request, organization_id, kind, subscription_id)
    before = find_requested(organization_id, request.POST.get("form", ""))
    if before:
        return redirect("billing:action", organization_id, before)
    if asked.why_not:
        return _show(request, asked, {"problem": asked.why_not}, status=409)
    if request.method != "POST":
        return _show(request, asked, _SHOWS.get(asked.kind, _plain)(asked, request.GET))
    form = asked.form(request.POST)
    if not form.is_valid():
        shown = _SHOWS.get(asked.kind, _plain)(asked, request.POST)
        return _show(request, asked, {**shown, "form": form}, status=422)
    action = requests.ask(
        asked.organization,
        asked.kind,
        parameters=form.parameters() | {"words": form.words()},
        note=form.cleaned_data["note"],
        by=asked.staff.principal.name,
        form=form.cleaned_data["form"],
        due_at=form.due_at(),
    )
    enqueue(tasks.do_action, action.pk)
    return redirect("billing:action", asked.organization.pk, action.pk)


def _asked(
    request: OrgRequest, organization_id: int, slug: str, subscription_id: int | None
) -> Asked:
    """The gate: who may change money, and a subscription that is theirs."""
    staff = require_billing_write(request)
    organization = access.get_organization(
        staff.principal, organization_id, include_deleted=True
    )
    kinds = {slug_of(kind): kind for kind in FORMS}
    kind, now = kinds.get(slug), action_context(organization)
    subscription = now.find(subscription_id or 0)
    if kind is None or (kind in OF_SUBSCRIPTION) != (subscription is not None):
        raise NotFound("Action not found.")
    return Asked(staff, organization, kind, now, subscription)


def _show(
    request: OrgRequest, asked: Asked, shown: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    context = {
        "organization": asked.organization,
        "zone": asked.organization.white_label.time_zone,
        "kind": asked.kind.value,
        "label": asked.kind.label,
        "subscription": asked.subscription,
        "action_url": asked.url,
        **shown,
    }
    if not wants_fragment(request):
        whole = tab(asked.staff, asked.organization, asked.now)
        context = {**whole, **context, "panel": _FORM}
    return page_or_fragment(request, PAGE, _FORM, context, status=status)


# --- what stands before the form ----------------------------------------------------


def _plain(asked: Asked, query: QueryDict) -> dict[str, Any]:
    return {"form": asked.form()}


def _search(asked: Asked, query: QueryDict) -> dict[str, Any]:
    """The customers with that e-mail, those of others without their names."""
    known = {"email": asked.organization.billing_email}
    search = SearchForm(query) if "email" in query else SearchForm(initial=known)
    if not search.is_bound or not search.is_valid():
        return {"choice": search, "verb": "Search"}
    email = search.cleaned_data["email"]
    found, problem = find_customers(email, asked.organization)
    return {
        "choice": search,
        "verb": "Search",
        "searched": email,
        "customers": found,
        "form": asked.form() if any(not one.is_taken for one in found) else None,
        "trouble": problem,
    }


def _tiers(asked: Asked, query: QueryDict) -> dict[str, Any]:
    """The price and the day are chosen first; then what it costs, and the note."""
    choice = TierChoice(query if "price" in query else None)
    prices = tier_choices(asked.now, asked.of)
    choice.fields["price"].choices = prices  # type: ignore[attr-defined]
    shown = {"choice": choice, "verb": "Preview"}
    if not choice.is_bound or not choice.is_valid():
        return shown
    chosen = choice.cleaned_data
    price = next(p for p in asked.now.prices if p.stripe_id == chosen["price"])
    if chosen["when"] == NOW:
        return shown | _preview(asked, chosen, price_id=price.stripe_id)
    if problem := late_problem(price, asked.of):
        choice.add_error("when", problem)
        return shown
    return shown | {"later": price, "form": asked.form(**chosen)}


def _seats(asked: Asked, query: QueryDict) -> dict[str, Any]:
    choice = SeatsChoice(query) if "seats" in query else SeatsChoice()
    shown = {"choice": choice, "verb": "Preview"}
    if not choice.is_bound or not choice.is_valid():
        return shown
    if choice.cleaned_data["seats"] == asked.of.seats:
        choice.add_error("seats", "The subscription already has this many seats.")
        return shown
    chosen = choice.cleaned_data
    return shown | _preview(asked, chosen, seats=chosen["seats"])


def _preview(asked: Asked, chosen: dict[str, Any], **change: Any) -> dict[str, Any]:
    """What is shown is asked for with its instant, so that it is what is charged."""
    at = timezone.now().replace(microsecond=0)
    preview = preview_change(asked.of, at=at, **change)
    if preview.problem:
        return {"trouble": preview.problem}
    form = asked.form(**chosen, proration_at=f"{at:%Y-%m-%dT%H:%M:%S%z}")
    return {"preview": preview, "form": form}


_SHOWS = {
    Kind.LINK_CUSTOMER: _search,
    Kind.CHANGE_TIER: _tiers,
    Kind.SEATS: _seats,
}


# --- what it became -----------------------------------------------------------------


def action(request: OrgRequest, organization_id: int, action_id: int) -> HttpResponse:
    """How far it is; as a part of the page it asks for itself until it has ended."""
    staff = require_billing_read(request)
    organization = access.get_organization(
        staff.principal, organization_id, include_deleted=True
    )
    found = get_action(organization.pk, action_id)
    if found is None:
        raise NotFound("Action not found.")
    context = {
        "organization": organization,
        "zone": organization.white_label.time_zone,
        "staff": staff,
        "action": found,
        "is_live": "live" in request.GET,  # the keyboard stays where it is then
    }
    if not wants_fragment(request):
        whole = tab(staff, organization, action_context(organization))
        context = {**whole, **context, "panel": _ACTION}
    response = page_or_fragment(request, PAGE, _ACTION, context)
    if wants_fragment(request) and (found.is_planned or not found.is_unfinished):
        response["HX-Trigger"] = "action-ended"
    return response


@require_POST
def cancel_action(
    request: OrgRequest, organization_id: int, action_id: int
) -> HttpResponse:
    """What is planned will not be."""
    row, staff = _row(request, organization_id, action_id)
    requests.cancel_action(row, by=staff.principal.name)
    messages.success(request, f"{row.get_kind_display()}: canceled.")
    return redirect("billing:billing", organization_id)


@require_POST
def retry_action(
    request: OrgRequest, organization_id: int, action_id: int
) -> HttpResponse:
    """Ask Stripe again for what failed."""
    row, _ = _row(request, organization_id, action_id)
    requests.retry_action(row)
    enqueue(tasks.do_action, row.pk)
    return redirect("billing:action", organization_id, action_id)


def _row(
    request: OrgRequest, organization_id: int, action_id: int
) -> tuple[StripeAction, StaffContext]:
    staff = require_billing_write(request)
    organization = access.get_organization(
        staff.principal, organization_id, include_deleted=True
    )
    rows = StripeAction.objects.select_related("organization__white_label")
    row = rows.filter(organization=organization, pk=action_id).first()
    if row is None:
        raise NotFound("Action not found.")
    return row, staff
