"""URLs of alert pages, alert emails and unsubscribing."""

from django.urls import path

from billing.alerts.views.alerts import (
    alerts,
    edit_limits,
    edit_percents,
    edit_recipients,
    resend_alert,
    snooze_alerts,
)
from billing.alerts.views.email_previews import (
    alert_email,
    alert_email_html,
    alert_emails,
)
from billing.alerts.views.fleet_alerts import fleet_alerts
from billing.alerts.views.unsubscribe import unsubscribe

urlpatterns = [
    path("alerts/", fleet_alerts, name="fleet_alerts"),
    path("alerts/emails/", alert_emails, name="alert_emails"),
    path("alerts/emails/<slug:folder>/", alert_email, name="alert_email"),
    path("alerts/emails/<slug:folder>/html", alert_email_html, name="alert_email_html"),
    path("unsubscribe/<str:token>/", unsubscribe, name="unsubscribe"),
    path("organizations/<int:organization_id>/alerts/", alerts, name="alerts"),
    path(
        "organizations/<int:organization_id>/alerts/limits/",
        edit_limits,
        name="edit_limits",
    ),
    path(
        "organizations/<int:organization_id>/alerts/percentages/",
        edit_percents,
        name="edit_percents",
    ),
    path(
        "organizations/<int:organization_id>/alerts/recipients/",
        edit_recipients,
        name="edit_recipients",
    ),
    path(
        "organizations/<int:organization_id>/alerts/snooze/",
        snooze_alerts,
        name="snooze_alerts",
    ),
    path(
        "organizations/<int:organization_id>/alerts/<int:alert_id>/resend/",
        resend_alert,
        name="resend_alert",
    ),
]
