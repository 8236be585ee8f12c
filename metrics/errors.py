"""Refusals of this app."""

from orgs.errors import Conflict, DomainError


class EndpointNotAllowed(DomainError):
    code = "endpoint_not_allowed"


class DeploymentNotFound(DomainError):
    """Contract C's word for a project that is not there, or not this organization's."""

    status = 404
    code = "billing_service.es_cluster_id_not_found"

    def __init__(self, *, code: str = "") -> None:
        super().__init__("Project not found.", code=code)


class EventsNotKept(Conflict):
    """Sums cannot be computed again: a month of their events was dropped."""

    code = "events_not_kept"


class UsageDiffers(Conflict):
    """Sums cannot be lowered by what they do not have."""

    code = "usage_differs"


class PricesMoving(Conflict):
    """Prices or periods changed each time while usage was being re-rated."""

    code = "prices_moving"
