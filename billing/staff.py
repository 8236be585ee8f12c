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
NOT_CONNECTED = "Stripe is not connected. Set STRIPE_SECRET_KEY to enable it."


@dataclass(frozen=True)
class StaffContext:
    """The staff member of a request, with what they may see and do in billing."""

    principal: Principal
    now: datetime = field(default_factory=timezone.now)

    @cached_property
    def white_labels(self) -> list[WhiteLabel]:
        """The white labels they may see; read on first use.

        The pages of one organization do not use it and save the statement.
        """
        return access.visible_white_labels(self.principal)

    @property
    def sees_all(self) -> bool:
        """The flag of staff who also see events and discrepancies of no white label."""
        return self.principal.sees_all

    @property
    def zone(self) -> str:
        """The time zone that their white labels share, or UTC if they differ."""
        zones = {label.time_zone for label in self.white_labels}
        return zones.pop() if len(zones) == 1 else "UTC"

    @property
    def blocked_reason(self) -> str:
        """The reason why they cannot change anything in Stripe; empty if they can."""
        if Scope.BILLING_WRITE not in self.principal.scopes:
            return READ_ONLY
        return "" if gateway.is_on() else NOT_CONNECTED

    @property
    def write_blocked_reason(self) -> str:
        """The reason why they cannot change billing in Orgdesk; empty if they can."""
        return "" if Scope.BILLING_WRITE in self.principal.scopes else READ_ONLY

    def white_label(self, id_: int) -> WhiteLabel:
        """Return one of their white labels; raises `NotFound` for any other."""
        for label in self.white_labels:
            if label.pk == id_:
                return label
        raise NotFound("White label not found.")

    def selected_white_labels(self, query: QueryDict) -> list[WhiteLabel]:
        """Return the white label that the query string selects, or all of theirs.

        Raises `NotFound` for a white label that is not among them.
        """
        slug = query.get("white_label", "")
        if not slug:
            return self.white_labels
        labels = [label for label in self.white_labels if label.slug == slug]
        if not labels:
            raise NotFound("White label not found.")
        return labels


def require_billing_read(request: OrgRequest) -> StaffContext:
    """Return the staff context of a user who may read billing; raises otherwise."""
    principal = access.principal_of(request.user)
    principal.require(Scope.BILLING_READ)
    return StaffContext(principal)


def require_billing_write(
    request: OrgRequest, *, needs_stripe: bool = True
) -> StaffContext:
    """Return the staff context of a user who may change billing; raises otherwise.

    Raises `StripeOff` if the view has to call Stripe and no account is connected.
    """
    staff = require_billing_read(request)
    staff.principal.require(Scope.BILLING_WRITE)
    if needs_stripe and not gateway.is_on():
        raise StripeOff(NOT_CONNECTED)
    return staff
