"""URLs of downloads and of large exports."""

from django.urls import path

from billing.exports.views.tables import (
    fleet_table,
    needs_action_csv,
    organization_csv,
    organization_table,
)

urlpatterns = [
    path("organizations.csv", organization_csv, name="organization_csv"),
    path("needs-action.csv", needs_action_csv, name="needs_action_csv"),
    path("tables/<slug:table>.csv", fleet_table, name="fleet_table"),
    path(
        "organizations/<int:organization_id>/tables/<slug:table>.csv",
        organization_table,
        name="organization_table",
    ),
]
