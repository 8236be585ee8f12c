"""URLs of the billing pages, by subject."""

from billing.access import urls as access
from billing.alerts import urls as alerts
from billing.console import urls as console
from billing.customer_pages import urls as customer_pages
from billing.details import urls as details
from billing.exports import urls as exports
from billing.integrations import urls as integrations
from billing.ledger import urls as ledger
from billing.needs_action import urls as needs_action
from billing.setup import urls as setup
from billing.stripe import urls as stripe
from billing.webhooks import urls as webhooks

app_name = "billing"
urlpatterns = [
    *console.urlpatterns,
    *details.urlpatterns,
    *setup.urlpatterns,
    *needs_action.urlpatterns,
    *exports.urlpatterns,
    *stripe.urlpatterns,
    *access.urlpatterns,
    *customer_pages.urlpatterns,
    *alerts.urlpatterns,
    *ledger.urlpatterns,
    *webhooks.urlpatterns,
    *integrations.urlpatterns,
]
