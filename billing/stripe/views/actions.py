"""Views of Stripe actions: the form that requests one, and its progress.

Each form is a page with its own address. For htmx it is a panel above the billing tab.
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
    schedule_problem,
    tier_choices,
)
from billing.stripe.queries.actions import (
    SUBSCRIPTION_KINDS,
    ActionContext,
    action_context,
    blocked_reason,
    find_action_id,
    get_action,
)
from billing.stripe.views.billing import PAGE, tab_context
from orgs import access
from orgs.errors import NotFound
from orgs.models import Organization
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

Kind = StripeAction.Kind
_FORM, _ACTION = "billing/stripe/_action_form.html", "billing/stripe/_action.html"


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """An action that a staff member is about to request for an organization."""

    staff: StaffContext
    organization: Organization
    kind: Kind
    context: ActionContext
    subscription: Subscription | None  # null for kinds that concern the organization

    @property
    def url(self) -> str:
        """The address of the form, which also receives it."""
        args: list[object] = [self.organization.pk]
        if self.subscription is None:
            return reverse("billing:action_form", args=[*args, slug_of(self.kind)])
        args += [self.subscription.pk, slug_of(self.kind)]
        return reverse("billing:subscription_action_form", args=args)

    @property
    def required_subscription(self) -> Subscription:
        """The subscription to change; an error for kinds without one."""
        if self.subscription is None:
            raise AssertionError(self.kind)
        return self.subscription

    @property
    def blocked_reason(self) -> str:
        """The reason why the action is not possible now; empty if it is."""
        return blocked_reason(self.kind, self.context, self.subscription)

    def form(self, data: QueryDict | None = None, **initial: Any) -> ActionForm:
        """Return the form of this kind of action."""
        return FORMS[self.kind](
            data,
            initial=initial,
            organization=self.organization,
            context=self.context,
            subscription=self.subscription,
        )


def slug_of(kind: str) -> str:
    """Return the kind as addresses spell it, such as `change-tier`."""
    return kind.replace("_", "-")


def action_form(
    request: OrgRequest,
    organization_id: int,
    kind: str,
    subscription_id: int | None = None,
) -> HttpResponse:
    """Show the form of an action and its preview; on POST, request the action.

    A form that was sent before redirects to the action that it requested.
    """
    action_request = _read_request(request, organization_id, kind, subscription_id)
    key = request.POST.get("idempotency_key", "")
    if (action_id := find_action_id(organization_id, key)) is not None:
        return redirect("billing:action", organization_id, action_id)
    if reason := action_request.blocked_reason:
        return _render_form(request, action_request, {"problem": reason}, status=409)
    form_context = _FORM_CONTEXTS.get(action_request.kind, _plain_context)
    if request.method != "POST":
        context = form_context(action_request, request.GET)
        return _render_form(request, action_request, context)
    form = action_request.form(request.POST)
    if not form.is_valid():
        context = form_context(action_request, request.POST) | {"form": form}
        return _render_form(request, action_request, context, status=422)
    access.require_recent_authentication(request)
    action = _request_action(action_request, form)
    return redirect("billing:action", organization_id, action.pk)


def _request_action(action_request: ActionRequest, form: ActionForm) -> StripeAction:
    action = requests.request_action(
        action_request.organization,
        action_request.kind,
        parameters=form.parameters() | {"summary": form.full_summary()},
        note=form.cleaned_data["note"],
        by=action_request.staff.principal.name,
        idempotency_key=form.cleaned_data["idempotency_key"],
        due_at=form.due_at(),
    )
    enqueue(tasks.do_action, action.pk)
    return action


def _read_request(
    request: OrgRequest, organization_id: int, slug: str, subscription_id: int | None
) -> ActionRequest:
    """Return the action that the address names, for a user who may request it.

    Raises `NotFound` for an unknown kind, a subscription of another organization, or a
    kind that does not match the address.
    """
    staff = require_billing_write(request)
    organization = _organization(staff, organization_id)
    kinds = {slug_of(kind): kind for kind in FORMS}
    kind, context = kinds.get(slug), action_context(organization)
    subscription = context.find(subscription_id or 0)
    if kind is None or (kind in SUBSCRIPTION_KINDS) != (subscription is not None):
        raise NotFound("Action not found.")
    return ActionRequest(staff, organization, kind, context, subscription)


def _organization(staff: StaffContext, organization_id: int) -> Organization:
    return access.get_organization(
        staff.principal, organization_id, include_deleted=True
    )


def _render_form(
    request: OrgRequest,
    action_request: ActionRequest,
    form_context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    organization = action_request.organization
    context = {
        "organization": organization,
        "zone": organization.white_label.time_zone,
        "kind": action_request.kind.value,
        "label": action_request.kind.label,
        "subscription": action_request.subscription,
        "action_url": action_request.url,
        **form_context,
    }
    if not wants_fragment(request):
        staff = action_request.staff
        tab = tab_context(staff, organization, action_request.context)
        context = {**tab, **context, "panel": _FORM}
    return page_or_fragment(request, PAGE, _FORM, context, status=status)


# The context of a form; some kinds first show a choice and then its preview.


def _plain_context(action_request: ActionRequest, query: QueryDict) -> dict[str, Any]:
    return {"form": action_request.form()}


def _invoices_context(
    action_request: ActionRequest, query: QueryDict
) -> dict[str, Any]:
    """Return the form with the invoices that a link names, or else all open ones."""
    open_ids = [row.stripe_id for row in action_request.context.open_invoices]
    named = [id_ for id_ in open_ids if id_ in query.getlist("invoice")]
    return {"form": action_request.form(invoice=named or open_ids)}


def _search_context(action_request: ActionRequest, query: QueryDict) -> dict[str, Any]:
    """Return the search for customers, with its results once there is an email."""
    initial = {"email": action_request.organization.billing_email}
    search = SearchForm(query) if "email" in query else SearchForm(initial=initial)
    context = {"choice": search, "choice_label": "Search"}
    if not search.is_bound or not search.is_valid():
        return context
    email = search.cleaned_data["email"]
    sees_all = action_request.staff.principal.sees_all
    customers, problem = find_customers(
        email, action_request.organization, sees_all=sees_all
    )
    is_any_free = any(not customer.is_unavailable for customer in customers)
    return context | {
        "searched": email,
        "customers": customers,
        "form": action_request.form() if is_any_free else None,
        "stripe_error": problem,
    }


def _tier_context(action_request: ActionRequest, query: QueryDict) -> dict[str, Any]:
    """Return the choice of price and time, with its cost once both are chosen."""
    subscription = action_request.required_subscription
    choice = TierChoice(query if "price" in query else None)
    prices = tier_choices(action_request.context, subscription)
    choice.fields["price"].choices = prices  # type: ignore[attr-defined]
    context = {"choice": choice, "choice_label": "Preview"}
    if not choice.is_bound or not choice.is_valid():
        return context
    data = choice.cleaned_data
    price = next(
        row for row in action_request.context.prices if row.stripe_id == data["price"]
    )
    if data["when"] == NOW:
        return context | _preview(action_request, data, price_id=price.stripe_id)
    if problem := schedule_problem(price, subscription):
        choice.add_error("when", problem)
        return context
    return context | {"scheduled_price": price, "form": action_request.form(**data)}


def _seats_context(action_request: ActionRequest, query: QueryDict) -> dict[str, Any]:
    """Return the choice of seats, with its cost once they are chosen."""
    choice = SeatsChoice(query) if "seats" in query else SeatsChoice()
    context = {"choice": choice, "choice_label": "Preview"}
    if not choice.is_bound or not choice.is_valid():
        return context
    data = choice.cleaned_data
    if data["seats"] == action_request.required_subscription.seats:
        choice.add_error("seats", "The subscription already has this many seats.")
        return context
    return context | _preview(action_request, data, seats=data["seats"])


def _preview(
    action_request: ActionRequest, data: dict[str, Any], **change: Any
) -> dict[str, Any]:
    """Return the preview of a change, and the form that requests exactly this change.

    The form carries the instant of the preview: Stripe prorates to the second, and the
    amount shown must be the amount charged.
    """
    at = timezone.now().replace(microsecond=0)
    preview = preview_change(action_request.required_subscription, at=at, **change)
    if preview.problem:
        return {"stripe_error": preview.problem}
    form = action_request.form(**data, proration_at=f"{at:%Y-%m-%dT%H:%M:%S%z}")
    return {"preview": preview, "form": form}


_FORM_CONTEXTS = {
    Kind.LINK_CUSTOMER: _search_context,
    Kind.CHANGE_TIER: _tier_context,
    Kind.SEATS: _seats_context,
    Kind.PAYMENT_LINK: _invoices_context,
}


# The progress of a requested action.


def action(request: OrgRequest, organization_id: int, action_id: int) -> HttpResponse:
    """Show a requested action; its panel polls until the action has ended."""
    staff = require_billing_read(request)
    organization = _organization(staff, organization_id)
    facts = get_action(organization.pk, action_id)
    if facts is None:
        raise NotFound("Action not found.")
    context = {
        "organization": organization,
        "zone": organization.white_label.time_zone,
        "staff": staff,
        "action": facts,
        "is_poll": "live" in request.GET,  # a poll must not move the keyboard focus
    }
    if not wants_fragment(request):
        tab = tab_context(staff, organization, action_context(organization))
        context = {**tab, **context, "panel": _ACTION}
    response = page_or_fragment(request, PAGE, _ACTION, context)
    if wants_fragment(request) and (facts.is_scheduled or not facts.is_unfinished):
        response["HX-Trigger"] = "action-ended"  # the tab below reloads itself
    return response


@require_POST
def cancel_action(
    request: OrgRequest, organization_id: int, action_id: int
) -> HttpResponse:
    """Cancel a scheduled action."""
    row, staff = _get_action_to_change(request, organization_id, action_id)
    requests.cancel_action(row, by=staff.principal.name)
    messages.success(request, f"{row.get_kind_display()}: canceled.")
    return redirect("billing:billing", organization_id)


@require_POST
def retry_action(
    request: OrgRequest, organization_id: int, action_id: int
) -> HttpResponse:
    """Retry a failed action."""
    row, _ = _get_action_to_change(request, organization_id, action_id)
    requests.retry_action(row)
    enqueue(tasks.do_action, row.pk)
    return redirect("billing:action", organization_id, action_id)


def _get_action_to_change(
    request: OrgRequest, organization_id: int, action_id: int
) -> tuple[StripeAction, StaffContext]:
    staff = require_billing_write(request)
    organization = _organization(staff, organization_id)
    rows = StripeAction.objects.select_related("organization__white_label")
    row = rows.filter(organization=organization, pk=action_id).first()
    if row is None:
        raise NotFound("Action not found.")
    access.require_recent_authentication(request)
    return row, staff
