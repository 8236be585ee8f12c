"""The Integrations tab: targets, how their pushes go, tests, pauses, and backfills."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pghistory
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.integrations.forms import BackfillForm, NoteForm, TargetForm
from metrics.commands.backfills import cancel_backfill, request_backfill
from metrics.commands.integrations import (
    pause_integration,
    resume_integration,
    set_integrations,
)
from metrics.commands.push_tests import try_integration, try_target
from metrics.errors import BackfillNotPossible, EndpointNotAllowed, TokenMissing
from metrics.push.remote_write import MAX_SERIES
from metrics.queries.integrations import KIND_LABELS
from metrics.queries.pushes import list_backfills, list_pushes
from orgs import access
from orgs.access import Principal
from orgs.access.permissions import row_id
from orgs.catalog import Scope
from orgs.errors import NotFound
from orgs.models import Organization
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/integrations/integrations.html"
_FRAGMENT = "billing/integrations/_backfills.html"
READ_ONLY = "Your role cannot change integrations."
_HELP = {
    "prom": "The whole URL of remote write, such as https://host/api/prom/push.",
    "loki": "The whole URL of the push, such as https://host/loki/api/v1/push.",
}


@dataclass(frozen=True, slots=True)
class _Visit:
    """A permitted request of an organization's tab."""

    request: OrgRequest
    principal: Principal
    organization: Organization

    @property
    def blocked_reason(self) -> str:
        """The reason why the user cannot change anything; empty if they can."""
        may_write = Scope.INTEGRATIONS_WRITE in self.principal.scopes
        return "" if may_write else READ_ONLY

    def redirect(self, message: str) -> HttpResponse:
        messages.success(self.request, message)
        return redirect("billing:integrations", self.organization.pk)


def _enter(
    request: OrgRequest, organization_id: int, *, writes: bool = False
) -> _Visit:
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    if writes:
        principal.require(Scope.INTEGRATIONS_WRITE)
    return _Visit(request, principal, organization)


def integrations_page(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the targets with their last pushes; the part of backfills alone to htmx."""
    return _page(_enter(request, organization_id), {})


@require_POST
def edit_integration(
    request: OrgRequest, organization_id: int, kind: str
) -> HttpResponse:
    """Change or test an integration, as the parameter `step` says.

    A removal is previewed first: the token cannot be restored.
    """
    visit = _enter(request, organization_id, writes=True)
    step = _STEPS.get(request.POST.get("step", ""))
    if kind not in KIND_LABELS or step is None:
        raise NotFound("Integration not found.")
    return step(visit, kind)


def _try(visit: _Visit, kind: str) -> HttpResponse:
    """Send a test to the target that was entered, and save nothing."""
    form = _posted_form(visit, kind)
    form.for_try()
    if form.is_valid():
        form.carry_token()
        try:
            answer = try_target(visit.organization, kind, form.target())
        except (EndpointNotAllowed, TokenMissing) as error:
            form.add_error(error.fields[-1], error.message)
        else:
            tried = {"kind": kind, "answer": answer}
            return _page(visit, {"forms": {kind: form}, "tried": tried})
    return _page(visit, {"forms": {kind: form}}, status=422)


def _posted_form(visit: _Visit, kind: str) -> TargetForm:
    pushes = list_pushes(visit.organization.pk)
    data = visit.request.POST
    return _target_form(visit.organization, kind, data, has_token=kind in pushes)


def _save(visit: _Visit, kind: str) -> HttpResponse:
    form = _posted_form(visit, kind)
    if form.is_valid():
        access.require_recent_authentication(visit.request)
        try:
            with pghistory.context(note=form.cleaned_data["note"]):
                set_integrations(visit.organization.pk, {kind: form.target()})
        except (EndpointNotAllowed, TokenMissing) as error:
            form.add_error(error.fields[-1], error.message)
        else:
            return visit.redirect(f"{KIND_LABELS[kind]} integration saved.")
    return _page(visit, {"forms": {kind: form}}, status=422)


def _test(visit: _Visit, kind: str) -> HttpResponse:
    answer = try_integration(visit.organization, kind)
    return _page(visit, {"tested": {"kind": kind, "answer": answer}})


def _change_with_note(
    visit: _Visit, kind: str, change: Callable[[], object], message: str
) -> HttpResponse:
    form = NoteForm(visit.request.POST, prefix=f"{kind}-change")
    if not form.is_valid():
        return _page(visit, {"note_forms": {kind: form}}, status=422)
    with pghistory.context(note=form.cleaned_data["note"]):
        change()
    return visit.redirect(f"{KIND_LABELS[kind]} integration {message}.")


def _pause(visit: _Visit, kind: str) -> HttpResponse:
    organization = visit.organization
    return _change_with_note(
        visit, kind, lambda: pause_integration(organization, kind), "paused"
    )


def _resume(visit: _Visit, kind: str) -> HttpResponse:
    organization = visit.organization
    return _change_with_note(
        visit, kind, lambda: resume_integration(organization, kind), "resumed"
    )


def _preview_removal(visit: _Visit, kind: str) -> HttpResponse:
    form = NoteForm(visit.request.POST, prefix=f"{kind}-change")
    if not form.is_valid():
        return _page(visit, {"note_forms": {kind: form}}, status=422)
    return _page(visit, {"note_forms": {kind: form}, "removing": kind})


def _remove(visit: _Visit, kind: str) -> HttpResponse:
    organization = visit.organization
    return _change_with_note(
        visit, kind, lambda: set_integrations(organization.pk, {kind: None}), "removed"
    )


_STEPS: dict[str, Callable[[_Visit, str], HttpResponse]] = {
    "save": _save,
    "try": _try,
    "test": _test,
    "pause": _pause,
    "resume": _resume,
    "remove": _preview_removal,
    "apply-removal": _remove,
}


@require_POST
def edit_backfill(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Request a backfill, or cancel the one that `cancel` names."""
    visit = _enter(request, organization_id, writes=True)
    if "cancel" in request.POST:
        key = row_id(request.POST["cancel"]) or 0
        is_canceled = cancel_backfill(visit.organization, key, by=visit.principal.name)
        return visit.redirect("Backfill canceled." if is_canceled else "It had ended.")
    form = BackfillForm(request.POST, prefix="backfill")
    if form.is_valid():
        data = form.cleaned_data
        try:
            request_backfill(
                visit.organization,
                data["first"],
                data["last"],
                by=visit.principal.name,
                note=data["note"],
            )
        except BackfillNotPossible as error:
            fields = {"from": "first", "to": "last"}
            form.add_error(fields.get("".join(error.fields)), error.message)
        else:
            return visit.redirect("Backfill requested.")
    return _page(visit, {"backfill_form": form}, status=422)


def _target_form(
    organization: Organization, kind: str, *args: Any, has_token: bool, **options: Any
) -> TargetForm:
    form = TargetForm(
        *args,
        prefix=kind,
        organization_id=organization.pk,
        has_token=has_token,
        **options,
    )
    form.fields["endpoint"].help_text = _HELP[kind]
    if kind != "prom":
        form.fields.pop("starts_paused", None)
    return form


def _page(visit: _Visit, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    organization = visit.organization
    pushes = list_pushes(organization.pk)
    backfills = list_backfills(organization.pk)
    url = reverse("billing:integrations", args=[organization.pk])
    context = {"organization": organization, **context}
    context = {
        "tab": "integrations",
        "nav_key": "organizations",
        "zone": organization.white_label.time_zone,
        "blocked_reason": visit.blocked_reason,
        "cards": [_card(kind, pushes.get(kind), context) for kind in KIND_LABELS],
        "has_prometheus": "prom" in pushes,
        "backfills": backfills,
        "poll_url": url if any(row.is_unfinished for row in backfills) else "",
        "backfill_form": BackfillForm(prefix="backfill"),
        "max_series": MAX_SERIES,
        **context,
    }
    return page_or_fragment(visit.request, _PAGE, _FRAGMENT, context, status=status)


def _card(kind: str, push: Any, context: dict[str, Any]) -> dict[str, Any]:
    """Return the template variables of one integration; `push` is None if not set."""
    initial = {}
    if push is not None:
        integration = push.integration
        initial = {
            "endpoint": integration.endpoint,
            "instance_id": integration.instance_id,
        }
    form = context.get("forms", {}).get(kind)
    tested, tried = context.get("tested", {}), context.get("tried", {})
    return {
        "kind": kind,
        "label": KIND_LABELS[kind],
        "push": push,
        "state": _state(push),
        "items": "Samples" if kind == "prom" else "Lines",
        "form": form
        or _target_form(
            context["organization"], kind, initial=initial, has_token=push is not None
        ),
        "is_open": form is not None or push is None,
        "note_form": context.get("note_forms", {}).get(kind)
        or NoteForm(prefix=f"{kind}-change"),
        "is_removing": context.get("removing") == kind,
        "tried": tried.get("answer") if tried.get("kind") == kind else None,
        "answer": tested.get("answer") if tested.get("kind") == kind else None,
    }


def _state(push: Any) -> tuple[str, str, str]:
    """Return the slug, label and tone of an integration's state."""
    if push is None:
        return "none", "Not set", ""
    if push.integration.paused_at:
        return "paused", "Paused", "warn"
    if push.failures:
        return "failing", "Failing", "bad"
    if push.pushed_at is None and push.integration.kind == "prom":
        return "waiting", "Waiting for the first push", ""
    return "active", "Active", "good"
