"""URLs of the customer page, and of the tab with its links."""

from django.urls import path

from billing.customer_pages.views.links import customer_links, revoke_customer_link
from billing.customer_pages.views.page import customer_page, customer_preview

_LINKS = "organizations/<int:organization_id>/customer-links/"
urlpatterns = [
    path("customer/<str:token>/", customer_page, name="customer_page"),
    path(
        "organizations/<int:organization_id>/customer-page/",
        customer_preview,
        name="customer_preview",
    ),
    path(_LINKS, customer_links, name="customer_links"),
    path(
        f"{_LINKS}<int:link_id>/revoke/",
        revoke_customer_link,
        name="revoke_customer_link",
    ),
]
