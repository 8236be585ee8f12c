"""URLs of webhook endpoints and their deliveries."""

from django.urls import path

from billing.webhooks.views.deliveries import resend_delivery, webhook_delivery
from billing.webhooks.views.endpoints import (
    organization_webhooks,
    webhook_endpoint,
    webhook_endpoints,
)

_DELIVERY = "webhook-endpoints/deliveries/<int:delivery_id>/"
urlpatterns = [
    path("webhook-endpoints/", webhook_endpoints, name="webhook_endpoints"),
    path(
        "webhook-endpoints/<int:endpoint_id>/",
        webhook_endpoint,
        name="webhook_endpoint",
    ),
    path(_DELIVERY, webhook_delivery, name="webhook_delivery"),
    path(f"{_DELIVERY}resend/", resend_delivery, name="resend_delivery"),
    path(
        "organizations/<int:organization_id>/webhooks/",
        organization_webhooks,
        name="organization_webhooks",
    ),
]
