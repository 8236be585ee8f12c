"""URLs of the organizations that need action."""

from django.urls import path

from billing.needs_action.views.needs_action import needs_action_page
from billing.needs_action.views.snoozes import end_reason_snooze, snooze

urlpatterns = [
    path("needs-action/", needs_action_page, name="needs_action"),
    path(
        "needs-action/snoozes/<int:snooze_id>/end/",
        end_reason_snooze,
        name="end_reason_snooze",
    ),
    path(
        "organizations/<int:organization_id>/needs-action/<slug:kind>/snooze/",
        snooze,
        name="snooze_reason",
    ),
]
