"""URLs of credits, voids and billing periods."""

from django.urls import path

from billing.ledger.views.credits import credits  # noqa: A004
from billing.ledger.views.periods import periods
from billing.ledger.views.voids import void

urlpatterns = [
    path("organizations/<int:organization_id>/credits/", credits, name="credits"),
    path("organizations/<int:organization_id>/void/", void, name="void"),
    path("organizations/<int:organization_id>/periods/", periods, name="periods"),
]
