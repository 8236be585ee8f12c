"""The page of a new organization."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect

from billing.details.forms import NewOrganizationForm, white_label_choices
from orgs import access
from orgs.commands.editing import create_organization
from orgs.errors import Conflict
from orgs.models import Organization
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/details/new_organization.html"


@permission_required("orgs.add_organization", raise_exception=True)
def new_organization(request: OrgRequest) -> HttpResponse:
    """Show the form; POST creates the organization and shows its details."""
    principal = access.principal_of(request.user)
    labels = {label.slug: label for label in access.visible_white_labels(principal)}
    shows_money = request.user.has_perm("billing.view_invoice")
    names = white_label_choices(labels.values(), shows_money=shows_money)
    initial = {"white_label": request.GET.get("white_label", "")}
    form = NewOrganizationForm(request.POST or None, labels=names, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            created = create_organization(
                labels[data["white_label"]],
                external_id=data["external_id"],
                name=data["name"],
                values={"billing_email": data["billing_email"]},
                created_by=request.user.get_username(),
            )
        except Conflict as error:
            form.add_error("external_id", error.message)
        else:
            return _redirect(request, created)
    context = {"form": form, "nav_key": "organizations"}
    status = 422 if form.errors else 200
    return page_or_fragment(request, _PAGE, _PAGE, context, status=status)


def _redirect(request: OrgRequest, organization: Organization) -> HttpResponse:
    messages.success(request, "Organization created.")
    return redirect("billing:details", organization.pk)
