"""URLs of Stripe sync, discrepancies, webhook events and actions."""

from django.urls import path

from billing.stripe.views.actions import act, action, cancel_action, retry_action
from billing.stripe.views.billing import billing
from billing.stripe.views.discrepancies import (
    drift_row,
    drifts,
    heal_all_drift,
    heal_drift,
)
from billing.stripe.views.failed_jobs import failures, retry_failure
from billing.stripe.views.sync import jobs, start_sync
from billing.stripe.views.webhook_events import ignore_event, inbox, resend_event

urlpatterns = [
    path("jobs/", jobs, name="jobs"),
    path("jobs/sync/<int:white_label_id>/", start_sync, name="start_sync"),
    path("jobs/drift/", drifts, name="drifts"),
    path("jobs/drift/<int:drift_id>/", drift_row, name="drift_row"),
    path("jobs/drift/<int:drift_id>/heal/", heal_drift, name="heal_drift"),
    path(
        "jobs/drift/heal/<int:white_label_id>/",
        heal_all_drift,
        name="heal_all_drift",
    ),
    path("jobs/inbox/", inbox, name="inbox"),
    path("jobs/inbox/<int:event_id>/resend/", resend_event, name="resend_event"),
    path("jobs/inbox/<int:event_id>/ignore/", ignore_event, name="ignore_event"),
    path("jobs/failed/", failures, name="failures"),
    path(
        "jobs/failed/<slug:kind>/<int:failure_id>/retry/",
        retry_failure,
        name="retry_failure",
    ),
    path("organizations/<int:organization_id>/billing/", billing, name="billing"),
    path(
        "organizations/<int:organization_id>/billing/ask/<slug:kind>/",
        act,
        name="act",
    ),
    path(
        "organizations/<int:organization_id>/billing/subscriptions/"
        "<int:subscription_id>/<slug:kind>/",
        act,
        name="act_on",
    ),
    path(
        "organizations/<int:organization_id>/billing/actions/<int:action_id>/",
        action,
        name="action",
    ),
    path(
        "organizations/<int:organization_id>/billing/actions/<int:action_id>/cancel/",
        cancel_action,
        name="cancel_action",
    ),
    path(
        "organizations/<int:organization_id>/billing/actions/<int:action_id>/retry/",
        retry_action,
        name="retry_action",
    ),
]
