"""URLs of an organization's access."""

from django.urls import path

from billing.access.views.access import access_page

urlpatterns = [
    path("organizations/<int:organization_id>/access/", access_page, name="access"),
]
