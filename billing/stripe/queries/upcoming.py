"""Query of the organizations whose previews of invoices are out of date."""

from django.utils import timezone

from billing.forecast.queries.estimates import PREVIEW_LASTS
from billing.models import UpcomingInvoice


def list_outdated(limit: int) -> list[int]:
    """Return organizations with a preview that is too old, the oldest first."""
    rows = UpcomingInvoice.objects.filter(read_at__lt=timezone.now() - PREVIEW_LASTS)
    ids = rows.order_by("read_at").values_list("organization_id", flat=True)
    return list(dict.fromkeys(ids[:limit]))
