"""Deleted organizations that are settled: nothing more can be billed to them."""

from collections.abc import Collection

from django.db.models import Exists, OuterRef

from billing.models import BillingPeriod, Charge, Invoice, Subscription
from billing.models.mirrors import LIVE
from orgs.models import Organization

_UNSENT = (Charge.State.PENDING, Charge.State.RUNNING)


def list_settled(organization_ids: Collection[int]) -> list[int]:
    """Return the IDs of deleted organizations whose last invoice is final.

    The period of the deletion is closed, its charges are sent, no invoice is a draft,
    and no subscription is live that would close another period.
    """
    own = {"organization": OuterRef("pk")}
    closed = BillingPeriod.objects.filter(**own, ends_at__gte=OuterRef("deleted_at"))
    live = Subscription.objects.filter(
        **own, kind=Subscription.Kind.PLATFORM, status__in=LIVE
    )
    unsent = Charge.objects.filter(
        period__organization=OuterRef("pk"), state__in=_UNSENT
    )
    drafts = Invoice.objects.filter(**own, status=Invoice.Status.DRAFT)
    rows = Organization.objects.filter(
        Exists(closed),
        ~Exists(live),
        ~Exists(unsent),
        ~Exists(drafts),
        pk__in=organization_ids,
        deleted_at__isnull=False,
    )
    return list(rows.values_list("pk", flat=True))
