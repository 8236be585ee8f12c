from django.urls import path

from billing import views

app_name = "billing"
urlpatterns = [
    path("", views.fleet, name="fleet"),
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/sync/<int:white_label_id>/", views.start_sync, name="start_sync"),
    path("jobs/drift/", views.drifts, name="drifts"),
    path("jobs/drift/<int:drift_id>/", views.drift_row, name="drift_row"),
    path("jobs/drift/<int:drift_id>/heal/", views.heal_drift, name="heal_drift"),
    path(
        "jobs/drift/heal/<int:white_label_id>/",
        views.heal_all_drift,
        name="heal_all_drift",
    ),
    path("jobs/inbox/", views.inbox, name="inbox"),
    path("jobs/inbox/<int:event_id>/resend/", views.resend_event, name="resend_event"),
    path("jobs/inbox/<int:event_id>/ignore/", views.ignore_event, name="ignore_event"),
    path("jobs/failed/", views.failures, name="failures"),
    path(
        "jobs/failed/<slug:kind>/<int:failure_id>/retry/",
        views.retry_failure,
        name="retry_failure",
    ),
    path("alerts/", views.fleet_alerts, name="fleet_alerts"),
    path("letters/", views.letters, name="letters"),
    path("letters/<slug:folder>/", views.letter, name="letter"),
    path("letters/<slug:folder>/html", views.letter_html, name="letter_html"),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("organizations/", views.organization_list, name="organization_list"),
    path("organizations.csv", views.organization_csv, name="organization_csv"),
    path("organizations/<int:organization_id>/", views.overview, name="overview"),
    path("organizations/<int:organization_id>/costs/", views.costs, name="costs"),
    path("organizations/<int:organization_id>/billing/", views.billing, name="billing"),
    path("organizations/<int:organization_id>/alerts/", views.alerts, name="alerts"),
    path(
        "organizations/<int:organization_id>/alerts/limits/",
        views.edit_limits,
        name="edit_limits",
    ),
    path(
        "organizations/<int:organization_id>/alerts/recipients/",
        views.edit_recipients,
        name="edit_recipients",
    ),
    path(
        "organizations/<int:organization_id>/alerts/snooze/",
        views.snooze_alerts,
        name="snooze_alerts",
    ),
    path(
        "organizations/<int:organization_id>/alerts/<int:alert_id>/resend/",
        views.resend_alert,
        name="resend_alert",
    ),
    path("organizations/<int:organization_id>/credits/", views.credits, name="credits"),
    path("organizations/<int:organization_id>/void/", views.void, name="void"),
    path("organizations/<int:organization_id>/periods/", views.periods, name="periods"),
    path(
        "organizations/<int:organization_id>/billing/ask/<slug:kind>/",
        views.act,
        name="act",
    ),
    path(
        "organizations/<int:organization_id>/billing/subscriptions/"
        "<int:subscription_id>/<slug:kind>/",
        views.act,
        name="act_on",
    ),
    path(
        "organizations/<int:organization_id>/billing/actions/<int:action_id>/",
        views.action,
        name="action",
    ),
    path(
        "organizations/<int:organization_id>/billing/actions/<int:action_id>/cancel/",
        views.cancel_action,
        name="cancel_action",
    ),
    path(
        "organizations/<int:organization_id>/billing/actions/<int:action_id>/retry/",
        views.retry_action,
        name="retry_action",
    ),
]
