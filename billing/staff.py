"""The staff member behind a request: their white labels and what they may do."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.http import QueryDict
from django.utils import timezone

from billing import gateway
from billing.errors import StripeOff
from orgs import access
from orgs.access import Principal
from orgs.catalog import Scope
from orgs.errors import NotFound
from orgs.models import WhiteLabel
from orgs.web.http import OrgRequest

READ_ONLY = "Your role has read-only access to billing."
OFF = "Stripe is not connected. Set STRIPE_SECRET_KEY to enable it."


@dataclass(frozen=True)
class StaffContext:
    """What a person of the jobs pages may see and do."""

    principal: Principal
    now: datetime = field(default_factory=timezone.now)

    @cached_property
    def white_labels(self) -> list[WhiteLabel]:
        """Read when first asked for: an organization's own pages never do."""
        return access.visible_white_labels(self.principal)

    @property
    def sees_all(self) -> bool:
        """Then events and differences of nobody's customers, too."""
        return self.principal.sees_all

    @property
    def zone(self) -> str:
        """Clocks are of the white label; of several with several zones, UTC."""
        zones = {label.time_zone for label in self.white_labels}
        return zones.pop() if len(zones) == 1 else "UTC"

    @property
    def why_not(self) -> str:
        """Why nothing can be done here; empty: it can."""
        if Scope.BILLING_WRITE not in self.principal.scopes:
            return READ_ONLY
        return "" if gateway.is_on() else OFF

    def white_label(self, id_: int) -> WhiteLabel:
        found = [label for label in self.white_labels if label.pk == id_]
        if not found:
            raise NotFound("White label not found.")
        return found[0]

    def chosen(self, query: QueryDict) -> list[WhiteLabel]:
        """The white label that the address names, or all."""
        slug = query.get("white_label", "")
        found = [one for one in self.white_labels if slug in ("", one.slug)]
        if slug and not found:
            raise NotFound("White label not found.")
        return found


def require_billing_read(request: OrgRequest) -> StaffContext:
    """For whoever reads money."""
    principal = access.principal_of(request.user)
    principal.require(Scope.BILLING_READ)
    return StaffContext(principal)


def require_billing_write(
    request: OrgRequest, *, asks_stripe: bool = True
) -> StaffContext:
    """For whoever changes money; raises `StripeOff` where Stripe cannot be asked."""
    staff = require_billing_read(request)
    staff.principal.require(Scope.BILLING_WRITE)
    if asks_stripe and not gateway.is_on():
        raise StripeOff(OFF)
    return staff
