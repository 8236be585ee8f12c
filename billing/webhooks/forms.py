"""Forms of endpoints, and the checks of their input that the API shares."""

from billing.models import WebhookEndpoint
from billing.webhooks.event_types import allowed_types, selects
from orgs.errors import UrlNotAllowed
from orgs.outbound import check_url


def checked_url(text: str) -> str:
    """Return a URL that may be contacted; raise `UrlNotAllowed`, naming the field.

    May resolve a name: call it outside transactions.
    """
    try:
        return check_url(text)
    except UrlNotAllowed as error:
        raise UrlNotAllowed(error.message, fields=("url",)) from None


def first_type(endpoint: WebhookEndpoint) -> str:
    """Return the first event type that an endpoint gets, for its test."""
    types, kind = endpoint.event_types, endpoint.kind
    return next(key for key in allowed_types(kind) if selects(types, key, kind))
