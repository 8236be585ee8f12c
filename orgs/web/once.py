"""Secrets that the page after a redirect shows, once.

A new secret is answered by a redirect, so that reloading the page cannot make another
one. Until the page takes it, the session has it encrypted, for this user and purpose.
"""

from base64 import b64decode, b64encode

from orgs.crypto import decrypt, encrypt
from orgs.errors import SecretUnreadable
from orgs.web.http import OrgRequest, wants_fragment

_SESSION_KEY = "shown_once"


def keep_secret(request: OrgRequest, purpose: str, secret: str) -> None:
    """Keep a secret for the next page of this purpose; it replaces one not shown."""
    encrypted = encrypt(secret, associated_data=_bound(request, purpose))
    stored = b64encode(encrypted).decode()
    request.session[_SESSION_KEY] = {purpose: stored}


def take_secret(request: OrgRequest, purpose: str) -> str:
    """Return the secret and forget it; empty if there is none.

    Only a whole page takes it: a fragment that htmx polls would not show it.
    """
    stored = request.session.get(_SESSION_KEY, {}).get(purpose)
    if stored is None or request.method != "GET" or wants_fragment(request):
        return ""
    del request.session[_SESSION_KEY]
    try:
        return decrypt(b64decode(stored), associated_data=_bound(request, purpose))
    except SecretUnreadable:  # its encryption key was removed meanwhile
        return ""


def _bound(request: OrgRequest, purpose: str) -> str:
    return f"{purpose} shown to user {request.user.pk}"
