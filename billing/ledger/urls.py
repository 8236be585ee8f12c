"""URLs of credits, voids and billing periods."""

from django.urls import path

from billing.ledger.views.credits import credits  # noqa: A004
from billing.ledger.views.periods import periods, write_off
from billing.ledger.views.voids import void

urlpatterns = [
    path("organizations/<int:organization_id>/credits/", credits, name="credits"),
    path("organizations/<int:organization_id>/void/", void, name="void"),
    path("organizations/<int:organization_id>/periods/", periods, name="periods"),
    path(
        "organizations/<int:organization_id>/periods/write-off/",
        write_off,
        name="write_off",
    ),
]
