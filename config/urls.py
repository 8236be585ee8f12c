"""Every URL. Anything under an API prefix that is not here is a JSON 404."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from billing.stripe import webhooks
from config import views
from config.api import api

urlpatterns = [
    path("healthz", views.health, name="health"),
    path("livez", views.health, name="livez"),  # the name that orchestrators ask for
    path("", include("billing.urls")),  # the API has a root, too: ours is the page
    path("", api.urls),  # early: a program calls more often than a person clicks
    path("webhooks/stripe/", webhooks.stripe, name="stripe_webhook"),
    path("webhooks/stripe", webhooks.stripe),  # Stripe follows no redirect
    path("", include("metrics.urls")),
    path("", include("orgs.urls")),
    path("components/", views.components, name="components"),
    path("roles/", views.roles, name="roles"),
    path("accounts/", include("config.sso.urls")),
    path("accounts/3rdparty/<path:_>", views.not_found),
    path("accounts/3rdparty/", views.not_found),
    path("accounts/social/<path:_>", views.not_found),
    path("accounts/", include("allauth.urls")),
    path("admin/r/<path:_>", views.not_found),  # redirects by numbers of tables
    path("admin/", admin.site.urls),
    path("api/openapi.json", views.openapi, name="openapi"),
    path("api/docs", views.api_docs, name="api_docs"),
    path("api/docs/", RedirectView.as_view(pattern_name="api_docs")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.page_not_found"
handler429 = "config.errors.too_many_requests"  # of allauth
handler500 = "config.errors.server_error"
