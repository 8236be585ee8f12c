"""Query of the organizations whose previews of invoices are out of date."""

from django.utils import timezone

from billing.forecast.queries.estimates import PREVIEW_LASTS
from billing.models import UpcomingInvoice


def list_outdated(limit: int) -> list[int]:
    """Return organizations with a preview to read again.

    Those come first whose preview something in Stripe has changed, then the oldest that
    are too old.
    """
    marked = UpcomingInvoice.objects.filter(outdated_at__isnull=False)
    old = UpcomingInvoice.objects.filter(read_at__lt=timezone.now() - PREVIEW_LASTS)
    ids = [
        *marked.order_by("outdated_at").values_list("organization_id", flat=True)[
            :limit
        ],
        *old.order_by("read_at").values_list("organization_id", flat=True)[:limit],
    ]
    return list(dict.fromkeys(ids))[:limit]
