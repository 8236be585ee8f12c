"""Reads that write: which of them a person, or the holder of a key, has sent.

A browser sends cookies with requests that other sites make it send. A POST is protected
by its CSRF token; the few GET requests that start or change something are checked here.
"""

from django.http import HttpRequest

from orgs.access.view_as import view_of
from orgs.errors import Forbidden

# Headers that another site cannot make a browser send.
_CREDENTIALS = ("x-api-key", "x-jwt-token", "authorization")


def has_header_credential(request: HttpRequest) -> bool:
    """Return whether a call has its credential, valid or not, in a header."""
    return any(request.headers.get(name) for name in _CREDENTIALS)


def require_own_request(request: HttpRequest) -> None:
    """Raise `Forbidden` for a GET request that must not start anything.

    Such are the requests of a view as another account, which only reads, and those with
    cookies that another site has sent. Browsers that do not say which site it was pass:
    all current ones do.
    """
    if has_header_credential(request):
        return
    if view := view_of(request):
        raise Forbidden(
            f"You are viewing as {view.label}, which only reads. Stop the view to start"
            " an export."
        )
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise Forbidden("Another site has sent this request. Start it on the page.")
