"""URLs of downloads and of large exports."""

from django.urls import path

from billing.exports.views import exports
from billing.exports.views.tables import (
    fleet_table,
    history_csv,
    needs_action_csv,
    organization_csv,
    organization_table,
)

_EXPORT = "exports/<int:export_id>/"
urlpatterns = [
    path("organizations.csv", organization_csv, name="organization_csv"),
    path("needs-action.csv", needs_action_csv, name="needs_action_csv"),
    path("history.csv", history_csv, name="fleet_history_csv"),
    path(
        "organizations/<int:organization_id>/history.csv",
        history_csv,
        name="history_csv",
    ),
    path("tables/<slug:table>.csv", fleet_table, name="fleet_table"),
    path(
        "organizations/<int:organization_id>/tables/<slug:table>.csv",
        organization_table,
        name="organization_table",
    ),
    path("exports/", exports.exports, name="exports"),
    path(_EXPORT, exports.export, name="export"),
    path(f"{_EXPORT}file/", exports.export_file, name="export_file"),
    path(f"{_EXPORT}cancel/", exports.cancel, name="cancel_export"),
    path(f"{_EXPORT}delete/", exports.delete, name="delete_export"),
    path(f"{_EXPORT}again/", exports.export_again, name="export_again"),
]
