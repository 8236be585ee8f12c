"""URLs of the Integrations tab."""

from django.urls import path

from billing.integrations.views.integrations import (
    edit_backfill,
    edit_integration,
    integrations_page,
)

_TAB = "organizations/<int:organization_id>/integrations/"
urlpatterns = [
    path(_TAB, integrations_page, name="integrations"),
    path(f"{_TAB}backfill/", edit_backfill, name="edit_backfill"),
    path(f"{_TAB}<str:kind>/", edit_integration, name="edit_integration"),
]
