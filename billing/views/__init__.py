"""Pages of money: the fleet, the list of organizations, and an organization's tabs."""

from billing.views.billing import billing
from billing.views.fleet import fleet
from billing.views.organizations import organization_list, overview

__all__ = ["billing", "fleet", "organization_list", "overview"]
