"""Proof of presence before changes of access, secrets, and money.

A session alone is not enough for them: the person must have logged in, or confirmed it
by a password, passkey, or second factor, within `REAUTHENTICATION_MINUTES`. Otherwise
`config.reauthentication` leads to the confirmation, keeps what was typed, and continues
with it afterwards; API calls get a 403 with the code `reauthentication_required`.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.http import HttpRequest, HttpResponse

from orgs.access.sessions import is_recently_confirmed
from orgs.errors import ReauthenticationRequired
from orgs.web.http import OrgRequest

P = ParamSpec("P")
View = Callable[Concatenate[OrgRequest, P], HttpResponse]


def require_recent_authentication(request: HttpRequest) -> None:
    """Raise `ReauthenticationRequired` unless the person proved presence recently.

    Call it before the first write: the view is called again after the confirmation,
    with the same form.
    """
    if not is_recently_confirmed(request):
        raise ReauthenticationRequired


def recently_authenticated(view: View[P]) -> View[P]:
    """Decorate a view that always needs a recent proof of presence, also for reading.

    The innermost decorator of a view: permissions are checked first.
    """

    @wraps(view)
    def checked(
        request: OrgRequest, /, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponse:
        require_recent_authentication(request)
        return view(request, *args, **kwargs)

    return cast("View[P]", checked)
