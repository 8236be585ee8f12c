"""URLs of Stripe sync, discrepancies, webhook events, failed jobs and actions."""

from django.urls import path

from billing.stripe.views.actions import (
    action,
    action_form,
    cancel_action,
    retry_action,
)
from billing.stripe.views.billing import billing
from billing.stripe.views.charge_decisions import charge_decision
from billing.stripe.views.discrepancies import (
    discrepancies,
    discrepancy_row,
    resolve_all_discrepancies,
    resolve_discrepancy,
)
from billing.stripe.views.failed_jobs import failed_jobs, retry_failed_job
from billing.stripe.views.sync import start_sync, stripe_sync
from billing.stripe.views.webhook_events import (
    ignore_event,
    resend_event,
    webhook_events,
)

urlpatterns = [
    path(
        "organizations/<int:organization_id>/charges/<int:charge_id>/",
        charge_decision,
        name="charge_decision",
    ),
    path("stripe/", stripe_sync, name="stripe_sync"),
    path("stripe/sync/<int:white_label_id>/", start_sync, name="start_sync"),
    path("stripe/discrepancies/", discrepancies, name="discrepancies"),
    path(
        "stripe/discrepancies/<int:discrepancy_id>/",
        discrepancy_row,
        name="discrepancy_row",
    ),
    path(
        "stripe/discrepancies/<int:discrepancy_id>/resolve/",
        resolve_discrepancy,
        name="resolve_discrepancy",
    ),
    path(
        "stripe/discrepancies/resolve/<int:white_label_id>/",
        resolve_all_discrepancies,
        name="resolve_all_discrepancies",
    ),
    path("stripe/webhook-events/", webhook_events, name="webhook_events"),
    path(
        "stripe/webhook-events/<int:event_id>/resend/",
        resend_event,
        name="resend_event",
    ),
    path(
        "stripe/webhook-events/<int:event_id>/ignore/",
        ignore_event,
        name="ignore_event",
    ),
    path("stripe/failed-jobs/", failed_jobs, name="failed_jobs"),
    path(
        "stripe/failed-jobs/<slug:kind>/<int:job_id>/retry/",
        retry_failed_job,
        name="retry_failed_job",
    ),
    path("organizations/<int:organization_id>/billing/", billing, name="billing"),
    path(
        "organizations/<int:organization_id>/billing/actions/new/<slug:kind>/",
        action_form,
        name="action_form",
    ),
    path(
        "organizations/<int:organization_id>/billing/subscriptions/"
        "<int:subscription_id>/actions/new/<slug:kind>/",
        action_form,
        name="subscription_action_form",
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
