"""What the views that correct billing share: access and context."""

from dataclasses import dataclass
from typing import Any

from django.contrib.messages import get_messages

from billing.staff import READ_ONLY
from metrics.queries.periods import current_period
from orgs import access
from orgs.catalog import Scope
from orgs.models import Organization
from orgs.web.http import OrgRequest, wants_fragment

_UNWRITTEN = ("preview", "change")  # steps that only show


@dataclass(frozen=True, slots=True)
class CorrectionContext:
    """A staff member and the organization whose billing they correct."""

    staff_name: str
    organization: Organization
    disabled_reason: str  # why the forms are disabled; empty: they are enabled

    @property
    def currency(self) -> str:
        return self.organization.white_label.currency

    def template_context(self, request: OrgRequest, tab: str) -> dict[str, Any]:
        """Return the template variables that every correction page needs.

        A fragment has to contain the pending messages; a page shows them by its base.
        """
        label = self.organization.white_label
        return {
            "organization": self.organization,
            "tab": tab,
            "nav_key": "organizations",
            "period": current_period(self.organization.pk),
            "currency": label.currency,
            "zone": label.time_zone,
            "disabled_reason": self.disabled_reason,
            "toasts": get_messages(request) if wants_fragment(request) else (),
        }


def require_correction_access(
    request: OrgRequest, organization_id: int
) -> CorrectionContext:
    """Return the context of a correction; raise an access error without the rights.

    Reading requires `billing:read`, a POST also `billing:write`. Organizations that are
    deleted can be corrected, too: their last period is still billed.
    """
    principal = access.principal_of(request.user)
    principal.require(Scope.BILLING_READ)
    is_post = request.method == "POST"
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    if is_post:
        principal.require(Scope.BILLING_WRITE)
        if request.POST.get("step") not in _UNWRITTEN:
            access.require_recent_authentication(request)
    may_write = Scope.BILLING_WRITE in principal.scopes
    return CorrectionContext(
        principal.name, organization, "" if may_write else READ_ONLY
    )
