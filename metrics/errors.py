"""Errors that this app reports to users and API clients."""

from orgs.errors import Conflict, DomainError, NotFound


class EndpointNotAllowed(DomainError):
    """A push target's URL that is invalid or not public."""

    code = "endpoint_not_allowed"


class TokenMissing(DomainError):
    """A masked token was sent back that cannot be kept.

    There is none, or it belongs to another host than the new endpoint.
    """

    code = "token_missing"


class IntegrationNotFound(NotFound):
    """The organization has no integration of this kind."""

    code = "integration_not_found"


class BackfillNotPossible(DomainError):
    """A range of days that can't be pushed, or another one is being pushed."""

    code = "backfill_not_possible"


class DeploymentNotFound(DomainError):
    """A project that does not exist or belongs to another organization.

    The costs API calls projects deployments, and defines this error code.
    """

    status = 404
    code = "billing_service.es_cluster_id_not_found"

    def __init__(self, *, code: str = "") -> None:
        super().__init__("Project not found.", code=code)


class EventsNotStored(Conflict):
    """Events that are needed for recomputing are in a month that was dropped."""

    code = "events_not_kept"


class UsageDiffers(Conflict):
    """Daily usage is less than the events to be voided: it must be rebuilt first."""

    code = "usage_differs"


class NotCarried(NotFound):
    """Usage that was to be written off is not carried into the open period."""

    code = "usage_not_carried"


class UsagePriced(Conflict):
    """Usage that was to be written off as unpriced has a rate by now."""

    code = "usage_priced"


class PricesChanged(Conflict):
    """Prices or periods changed during every attempt to re-rate usage."""

    code = "prices_moving"


class RerateRunning(Conflict):
    """A re-rate of the white label that is not finished yet."""

    code = "rerate_running"

    def __init__(self) -> None:
        super().__init__(
            "A re-rate of this white label is running. Wait until it ends, or cancel"
            " it first."
        )
