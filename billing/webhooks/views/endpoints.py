"""Pages of webhook endpoints: the lists, and an endpoint with its deliveries."""

from collections.abc import Callable
from typing import Any

import pghistory
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from billing.models import WebhookDelivery, WebhookEndpoint
from billing.webhooks.commands import endpoints as commands
from billing.webhooks.commands.replays import replay
from billing.webhooks.commands.sending.samples import send_sample
from billing.webhooks.forms import (
    EndpointForm,
    NewEndpointForm,
    NoteForm,
    ReplayForm,
    first_type,
)
from billing.webhooks.queries.endpoints import (
    get_endpoint,
    visible_deliveries,
    visible_endpoints,
)
from billing.webhooks.schemas.event_data import sample_of
from billing.webhooks.tasks import deliver_webhooks
from orgs import access
from orgs.access import Principal
from orgs.access.permissions import row_id
from orgs.catalog import Scope
from orgs.errors import DomainError
from orgs.models import Organization, WhiteLabel
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment
from orgs.web.once import keep_secret, take_secret

_LIST = "billing/webhooks/endpoints.html"
_TAB = "billing/webhooks/organization.html"
_PAGE = "billing/webhooks/endpoint.html"
_DELIVERIES = "billing/webhooks/_deliveries.html"
READ_ONLY = "Your role cannot change webhook endpoints."
_MAX_ENDPOINTS, _PAGE_SIZE = 200, 50
_STATE_LABELS = {
    "": "All",
    "pending": "Waiting",
    "running": "Sending",
    "done": "Delivered",
    "failed": "Failed",
    "canceled": "Canceled",
}


def enter(request: OrgRequest, *, writes: bool = False) -> Principal:
    """Return the principal of a user who may read, or change, webhook endpoints."""
    principal = access.principal_of(request.user)
    principal.require(Scope.BILLING_READ)
    if writes:
        principal.require(Scope.INTEGRATIONS_WRITE)
    return principal


def blocked_reason(principal: Principal) -> str:
    """Return why the user cannot change anything; empty if they can."""
    return "" if Scope.INTEGRATIONS_WRITE in principal.scopes else READ_ONLY


@require_http_methods(["GET", "HEAD", "POST"])
def webhook_endpoints(request: OrgRequest) -> HttpResponse:
    """List the endpoints of the user's white labels; create one of a white label."""
    principal = enter(request, writes=request.method == "POST")
    labels = access.visible_white_labels(principal)
    form = NewEndpointForm(request.POST or None, white_labels=labels)
    context = {
        "endpoints": visible_endpoints(principal).order_by("-id")[:_MAX_ENDPOINTS],
        "form": form,
        "nav_key": "webhooks",
        "blocked_reason": blocked_reason(principal),
    }
    if request.method != "POST":
        return page_or_fragment(request, _LIST, _LIST, context)
    if not form.is_valid():
        return page_or_fragment(request, _LIST, _LIST, context, status=422)
    return _create(request, principal, form, form.cleaned_data["white_label"], None)


@require_http_methods(["GET", "HEAD", "POST"])
def organization_webhooks(request: OrgRequest, organization_id: int) -> HttpResponse:
    """List the endpoints that get events of an organization; create one of it."""
    principal = enter(request, writes=request.method == "POST")
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    form = NewEndpointForm(request.POST or None, white_labels=None)
    context = _tab(principal, organization) | {"form": form}
    if request.method != "POST":
        return page_or_fragment(request, _TAB, _TAB, context)
    if not form.is_valid():
        return page_or_fragment(request, _TAB, _TAB, context, status=422)
    label = organization.white_label
    return _create(request, principal, form, label, organization)


def _tab(principal: Principal, organization: Organization) -> dict[str, Any]:
    rows = visible_endpoints(principal).filter(white_label=organization.white_label_id)
    return {
        "organization": organization,
        "tab": "webhooks",
        "nav_key": "organizations",
        "endpoints": rows.filter(organization=organization).order_by("-id"),
        "shared": rows.filter(organization=None).order_by("-id"),
        "blocked_reason": blocked_reason(principal),
    }


def _create(
    request: OrgRequest,
    principal: Principal,
    form: NewEndpointForm,
    label: WhiteLabel,
    organization: Organization | None,
) -> HttpResponse:
    """Create the endpoint; its page shows the signing secret, once."""
    access.require_recent_authentication(request)
    with pghistory.context(note=form.cleaned_data["note"]):
        endpoint, secret = commands.create_endpoint(
            label, organization, form.endpoint(), by=principal.name
        )
    if secret:
        keep_secret(request, _purpose(endpoint), secret)
    return _redirect(request, endpoint, "Webhook endpoint created.")


@require_http_methods(["GET", "HEAD", "POST"])
def webhook_endpoint(request: OrgRequest, endpoint_id: int) -> HttpResponse:
    """Show an endpoint with its deliveries; change it as the parameter `step` says."""
    principal = enter(request, writes=request.method == "POST")
    endpoint = get_endpoint(principal, endpoint_id)
    if request.method != "POST":
        secret = take_secret(request, _purpose(endpoint))
        return _page(request, principal, endpoint, {"signing_secret": secret})
    step = _STEPS.get(request.POST.get("step", ""))
    if step is None:
        raise DomainError("Unknown step.", fields=("step",))
    return step(request, principal, endpoint)


def _save(
    request: OrgRequest, principal: Principal, endpoint: WebhookEndpoint
) -> HttpResponse:
    form = EndpointForm(request.POST, endpoint=endpoint)
    if not form.is_valid():
        return _page(request, principal, endpoint, {"form": form}, status=422)
    access.require_recent_authentication(request)
    with pghistory.context(note=form.cleaned_data["note"]):
        commands.change_endpoint(endpoint, form.values())
    return _redirect(request, endpoint, "Webhook endpoint saved.")


def _test(
    request: OrgRequest, principal: Principal, endpoint: WebhookEndpoint
) -> HttpResponse:
    """Send a sample now, and show its delivery with the answer."""
    key = first_type(endpoint)
    delivery = send_sample(endpoint, key, sample_of(key), by=principal.name)
    if delivery.state == WebhookDelivery.State.DONE:
        messages.success(request, "Test event accepted.")
    else:
        messages.error(request, "Test event not accepted.")
    return redirect("billing:webhook_delivery", delivery.pk)


def _rotate(
    request: OrgRequest, principal: Principal, endpoint: WebhookEndpoint
) -> HttpResponse:
    access.require_recent_authentication(request)
    rotated, secret = commands.rotate_secret(endpoint)
    keep_secret(request, _purpose(rotated), secret)
    return _redirect(request, rotated, "Signing secret rotated.")


def _purpose(endpoint: WebhookEndpoint) -> str:
    """Return the purpose of a secret in the session."""
    return f"signing secret of webhook endpoint {endpoint.uuid}"


def _with_note(
    request: OrgRequest,
    principal: Principal,
    endpoint: WebhookEndpoint,
    change: Callable[[WebhookEndpoint], object],
) -> HttpResponse | None:
    """Make a change with the note of the form; return the page if it has none."""
    form = NoteForm(request.POST, prefix="change")
    if not form.is_valid():
        return _page(request, principal, endpoint, {"note_form": form}, status=422)
    access.require_recent_authentication(request)
    with pghistory.context(note=form.cleaned_data["note"]):
        change(endpoint)
    return None


def _disable(
    request: OrgRequest, principal: Principal, endpoint: WebhookEndpoint
) -> HttpResponse:
    page = _with_note(request, principal, endpoint, commands.disable_endpoint)
    return page or _redirect(request, endpoint, "Webhook endpoint disabled.")


def _enable(
    request: OrgRequest, principal: Principal, endpoint: WebhookEndpoint
) -> HttpResponse:
    page = _with_note(request, principal, endpoint, commands.enable_endpoint)
    return page or _redirect(request, endpoint, "Webhook endpoint enabled.")


def _preview_deletion(
    request: OrgRequest, principal: Principal, endpoint: WebhookEndpoint
) -> HttpResponse:
    form = NoteForm(request.POST, prefix="change")
    if not form.is_valid():
        return _page(request, principal, endpoint, {"note_form": form}, status=422)
    count = WebhookDelivery.objects.filter(endpoint=endpoint).unfinished().count()
    context = {"note_form": form, "is_deleting": True, "waiting": count}
    return _page(request, principal, endpoint, context)


def _delete(
    request: OrgRequest, principal: Principal, endpoint: WebhookEndpoint
) -> HttpResponse:
    if page := _with_note(request, principal, endpoint, commands.delete_endpoint):
        return page
    messages.success(request, "Webhook endpoint deleted.")
    if endpoint.organization_id is not None:
        return redirect("billing:organization_webhooks", endpoint.organization_id)
    return redirect("billing:webhook_endpoints")


def _replay(
    request: OrgRequest, principal: Principal, endpoint: WebhookEndpoint
) -> HttpResponse:
    form = ReplayForm(request.POST, zone=endpoint.white_label.time_zone)
    if not form.is_valid():
        return _page(request, principal, endpoint, {"replay_form": form}, status=422)
    data = form.cleaned_data
    try:
        count = replay(
            endpoint,
            start=data["start"],
            end=data["end"],
            includes_delivered=data["includes_delivered"],
            by=principal.name,
        )
    except DomainError as error:
        form.add_error(None, error.message)
        return _page(request, principal, endpoint, {"replay_form": form}, status=422)
    enqueue(deliver_webhooks)
    return _redirect(request, endpoint, f"{count:,} events are delivered again.")


_STEPS: dict[str, Callable[[OrgRequest, Principal, WebhookEndpoint], HttpResponse]] = {
    "save": _save,
    "test": _test,
    "rotate": _rotate,
    "disable": _disable,
    "enable": _enable,
    "delete": _preview_deletion,
    "apply-delete": _delete,
    "replay": _replay,
}


def _redirect(
    request: OrgRequest, endpoint: WebhookEndpoint, message: str
) -> HttpResponse:
    messages.success(request, message)
    return redirect("billing:webhook_endpoint", endpoint.pk)


def _page(
    request: OrgRequest,
    principal: Principal,
    endpoint: WebhookEndpoint,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    zone = endpoint.white_label.time_zone
    whole = {
        "endpoint": endpoint,
        "nav_key": "webhooks",
        "zone": zone,
        "now": timezone.now(),
        "blocked_reason": blocked_reason(principal),
        "form": EndpointForm(endpoint=endpoint),
        "note_form": NoteForm(prefix="change"),
        "replay_form": ReplayForm(zone=zone),
        **_deliveries(request, principal, endpoint),
        **context,
    }
    return page_or_fragment(request, _PAGE, _DELIVERIES, whole, status=status)


def _deliveries(
    request: OrgRequest, principal: Principal, endpoint: WebhookEndpoint
) -> dict[str, Any]:
    """Return a page of the deliveries in a state; they poll while one is unfinished."""
    state = request.GET.get("state", "")
    state = state if state in _STATE_LABELS else ""
    before = row_id(request.GET.get("before", ""))
    rows = visible_deliveries(principal, endpoint_id=endpoint.pk, state=state)
    if before:
        rows = rows.filter(pk__lt=before)
    deliveries = list(rows.order_by("-id")[: _PAGE_SIZE + 1])
    base = reverse("billing:webhook_endpoint", args=[endpoint.pk])
    query = f"?state={state}" if state else "?"
    shown = deliveries[:_PAGE_SIZE]
    is_unfinished = any(row.finished_at is None for row in shown)
    return {
        "deliveries": shown,
        "states": [
            {
                "label": label,
                "url": f"{base}?state={key}" if key else base,
                "current": key == state,
            }
            for key, label in _STATE_LABELS.items()
        ],
        "first_url": f"{base}{query}" if before else "",
        "next_url": f"{base}{query}&before={shown[-1].pk}"
        if deliveries[_PAGE_SIZE:]
        else "",
        "poll_url": f"{base}{query}" if is_unfinished and not before else "",
    }
