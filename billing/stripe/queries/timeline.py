"""The latest changes of an organization's billing, as its history has them."""

from orgs.models import Organization
from orgs.queries.history import HistoryFilters, history_page
from orgs.web.history import DESCRIPTIONS, Entry, entries, noise

MAX_ENTRIES = 40
_OTHERS = frozenset({"orgs.Entitlements"})  # limits that are not of money
_KINDS = frozenset({"billing", "invoices", "limits", "subscriptions", "usage"})


def latest_changes(
    organization: Organization, *, limit: int = MAX_ENTRIES
) -> list[Entry]:
    """Return the newest changes of subscriptions, invoices, limits, and balances.

    Also those of periods, charge decisions, Stripe actions, and corrections of usage.
    One round trip for the changes, and one each for the names that they mention.
    """
    labels = {label for label, d in DESCRIPTIONS.items() if d.kind in _KINDS} - _OTHERS
    filters = HistoryFilters(
        organization_id=organization.pk, labels=labels, noise=noise()
    )
    return entries(history_page(filters, size=limit, scope="").changes)
