"""The Details tab: each card is edited in place, with its consequences first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing.details.commands.sections import (
    SECTIONS,
    change_section,
    undo_section,
)
from billing.details.forms import (
    AddressForm,
    ContactForm,
    ContractForm,
    DeletionForm,
    EntitlementsForm,
    NameForm,
    RateLimitForm,
)
from billing.details.queries.consequences import Consequences, preview_change
from orgs import access
from orgs.catalog import Scope
from orgs.commands.proofs import ChangedMeanwhile
from orgs.errors import DomainError
from orgs.models import Organization
from orgs.web.edits import (
    UNDO_SECONDS,
    EditForm,
    offer_undo,
    offered_undo,
    show_error,
    withdraw_undo,
)
from orgs.web.history import Entry, last_entry
from orgs.web.http import OrgRequest, page_or_fragment
from orgs.web.quantities import QuantityField
from orgs.web.templatetags.display import UNKNOWN, day_year

_PAGE = "billing/details/details.html"
_LABELS = ("orgs.Organization", "orgs.Entitlements")
READ_ONLY = "Your role cannot change organizations."
_FORMS: Mapping[str, tuple[str, type[EditForm]]] = {
    "name": ("Name", NameForm),
    "contact": ("Contact", ContactForm),
    "address": ("Address", AddressForm),
    "contract": ("Contract", ContractForm),
    "entitlements": ("Entitlements", EntitlementsForm),
    "rate-limit": ("Rate limit", RateLimitForm),
    "deletion": ("Delete organization", DeletionForm),
}


@dataclass(frozen=True, slots=True)
class Card:
    """A part of the details: its values, or its form while it is edited."""

    slug: str
    title: str
    rows: list[tuple[str, str]]
    form: EditForm | None = None
    preview: Consequences | None = None
    last: Entry | None = None  # the change by another person that this form missed

    @property
    def is_deletion(self) -> bool:
        return self.slug == "deletion"


def details(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the details; the parameter `edit` names the card that is a form."""
    organization = _enter(request, organization_id)
    slug = request.GET.get("edit", "")
    opened = _card(organization, slug, _form(organization, slug)) if slug else None
    return _page(request, organization, opened)


@require_POST
def edit_section(request: OrgRequest, organization_id: int, slug: str) -> HttpResponse:
    """Preview a change (`step=preview`), or make it (any other step), with a reason."""
    organization = _enter(request, organization_id, writes=True)
    is_preview = request.POST.get("step") == "preview"
    form = _form(organization, slug, request.POST, is_preview=is_preview)
    if not form.is_valid():
        return _page(request, organization, _card(organization, slug, form), status=422)
    if not is_preview:
        access.require_recent_authentication(request)
    act = _preview if is_preview else _save
    try:
        return act(request, organization, slug, form)
    except ChangedMeanwhile as error:
        form.add_error(None, error.message)
        last = last_entry(organization.pk, _LABELS)
        card = _card(organization, slug, form, last=last)
        return _page(request, organization, card, status=error.status)
    except DomainError as error:
        show_error(form, error)
        card = _card(organization, slug, form)
        return _page(request, organization, card, status=422)


@require_POST
def undo(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Undo the last change that this person made, if nothing has changed since."""
    organization = _enter(request, organization_id, writes=True)
    offered = offered_undo(request, f"{organization_id}:")
    if offered is None:
        messages.warning(request, "It is too late to undo. Edit the values instead.")
        return redirect("billing:details", organization_id)
    access.require_recent_authentication(request)
    section = SECTIONS[offered.subject.partition(":")[2]]
    withdraw_undo(request)
    try:
        undo_section(
            organization, section, offered.before, proof=offered.proof_of_after
        )
    except DomainError as error:
        messages.warning(request, error.message)
    else:
        messages.success(request, "Change undone.")
    return redirect("billing:details", organization_id)


def _enter(
    request: OrgRequest, organization_id: int, *, writes: bool = False
) -> Organization:
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    if writes:
        principal.require(Scope.ORGANIZATIONS_WRITE)
    return organization


def _form(
    organization: Organization, slug: str, data: Any = None, *, is_preview: bool = False
) -> EditForm:
    if slug not in _FORMS:
        raise Http404
    _, form = _FORMS[slug]
    values = SECTIONS[slug].read(organization)
    auto_id = f"id_{slug}_%s"
    return form(data, values=values, is_preview=is_preview, auto_id=auto_id)


def _preview(
    request: OrgRequest, organization: Organization, slug: str, form: EditForm
) -> HttpResponse:
    form.require_unchanged()
    section, values = SECTIONS[slug], _values(slug, form)
    preview = preview_change(
        organization,
        lambda: section.write(organization, values),
        now=timezone.now(),
        shows_money=request.user.has_perm("billing.view_invoice"),
    )
    card = _card(organization, slug, form, preview=preview)
    return _page(request, organization, card)


def _save(
    request: OrgRequest, organization: Organization, slug: str, form: EditForm
) -> HttpResponse:
    form.require_unchanged()
    section, values = SECTIONS[slug], _values(slug, form)
    if values == section.read(organization):
        messages.info(request, "Nothing was changed.")
        return redirect("billing:details", organization.pk)
    before = change_section(
        organization,
        section,
        values,
        reason=form.cleaned_data["reason"],
        proof=form.cleaned_data["before"],
    )
    after = section.read(Organization.objects.get(pk=organization.pk))
    offer_undo(request, f"{organization.pk}:{slug}", before, after)
    return redirect("billing:details", organization.pk)


def _values(slug: str, form: EditForm) -> dict[str, Any]:
    """Return what a form writes; that of the deletion has no field for it."""
    if slug == "deletion":
        return {"is_deleted": not form.values["is_deleted"]}
    return form.changes


def _card(
    organization: Organization,
    slug: str,
    form: EditForm | None = None,
    preview: Consequences | None = None,
    last: Entry | None = None,
) -> Card:
    title, _ = _FORMS[slug]
    if slug == "deletion" and organization.deleted_at is not None:
        title = "Restore organization"
    return Card(slug, title, _rows(organization, slug), form, preview, last)


def _rows(organization: Organization, slug: str) -> list[tuple[str, str]]:
    """Return label and text of each value of a card."""
    form = _form(organization, slug)
    return [
        (str(form.fields[name].label or form[name].label), _text(form, name, value))
        for name, value in form.values.items()
        if name in form.fields
    ]


def _text(form: EditForm, name: str, value: Any) -> str:
    field = form.fields[name]
    if isinstance(field, QuantityField):
        empty = "default" if name == "rate_limit" else "no limit"
        return empty if value is None else field.format(value)
    if isinstance(value, date):
        return day_year(value)
    return value or UNKNOWN


def _page(
    request: OrgRequest,
    organization: Organization,
    opened: Card | None,
    *,
    status: int = 200,
) -> HttpResponse:
    is_writer = request.user.has_perm("orgs.change_organization")
    undo = offered_undo(request, f"{organization.pk}:") if is_writer else None
    context = {
        "organization": organization,
        "tab": "details",
        "nav_key": "organizations",
        "cards": [
            opened if opened and opened.slug == slug else _card(organization, slug)
            for slug in _FORMS
        ],
        "blocked_reason": "" if is_writer else READ_ONLY,
        "undo_title": _FORMS[undo.subject.partition(":")[2]][0] if undo else "",
        "undo_seconds": UNDO_SECONDS,
    }
    return page_or_fragment(request, _PAGE, _PAGE, context, status=status)
