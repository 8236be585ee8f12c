"""URLs of the setup guide."""

from django.urls import path

from billing.setup.views.guide import first_usage, setup

urlpatterns = [
    path("setup/", setup, name="setup"),
    path("setup/first-usage/", first_usage, name="first_usage"),
]
