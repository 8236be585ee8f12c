"""URLs of the Details tab, of new organizations, and of a white label."""

from django.urls import path

from billing.details.views.creation import new_organization
from billing.details.views.details import details, edit_section, undo
from billing.details.views.organization_lists import add_organizations
from billing.details.views.white_labels import edit_white_label

_LABEL = "settings/white-labels/<int:white_label_id>/"
_TAB = "organizations/<int:organization_id>/details/"
urlpatterns = [
    path("organizations/new/list/", add_organizations, name="add_organizations"),
    path("organizations/new/", new_organization, name="new_organization"),
    path(_LABEL, edit_white_label, name="edit_white_label"),
    path(_TAB, details, name="details"),
    path(f"{_TAB}undo/", undo, name="undo_details"),
    path(f"{_TAB}<slug:slug>/", edit_section, name="edit_details"),
]
