"""What the pages that correct money share: who, whose, and that twice is once."""

from dataclasses import dataclass
from typing import Any

import redis
from django.contrib.messages import get_messages
from django.core.cache import cache

from billing.staff import READ_ONLY
from metrics.queries.periods import current_period
from orgs import access
from orgs.catalog import Scope
from orgs.errors import Unavailable
from orgs.models import Organization
from orgs.web.http import OrgRequest, wants_fragment

_REMEMBERED = 24 * 3600  # seconds for which a form that was done is not done again


@dataclass(frozen=True, slots=True)
class Corrector:
    """A person at the books of an organization."""

    name: str
    organization: Organization
    why_not: str  # empty: may write

    @property
    def currency(self) -> str:
        return self.organization.white_label.currency

    def context(self, request: OrgRequest, tab: str) -> dict[str, Any]:
        """A fragment carries its messages itself; a page shows them where it does."""
        label = self.organization.white_label
        return {
            "organization": self.organization,
            "tab": tab,
            "nav_key": "organizations",
            "period": current_period(self.organization.pk),
            "currency": label.currency,
            "zone": label.time_zone,
            "why_not": self.why_not,
            "toasts": get_messages(request) if wants_fragment(request) else (),
        }


def corrector(request: OrgRequest, organization_id: int) -> Corrector:
    """For whoever reads money; a POST is of whoever changes it."""
    principal = access.principal_of(request.user)
    principal.require(Scope.BILLING_READ)
    is_post = request.method == "POST"
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    if is_post:
        principal.require(Scope.BILLING_WRITE)
    may_write = Scope.BILLING_WRITE in principal.scopes
    return Corrector(principal.name, organization, "" if may_write else READ_ONLY)


class Once:
    """A form that was done already is not done again; one that failed may be."""

    def __init__(self, word: str) -> None:
        self.key = f"form:{word}"

    def is_first(self) -> bool:
        """Raises `Unavailable` where nobody remembers: money is not given on trust."""
        try:
            return bool(cache.add(self.key, 1, _REMEMBERED))
        except redis.RedisError:
            raise Unavailable("This is temporarily unavailable. Try again.") from None

    def forget(self) -> None:
        cache.delete(self.key)
