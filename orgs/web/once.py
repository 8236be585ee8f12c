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
    stored = encrypt_for_session(request, purpose, secret)
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
        return decrypt_for_session(request, purpose, stored)
    except SecretUnreadable:  # its encryption key was removed meanwhile
        return ""


def encrypt_for_session(request: OrgRequest, purpose: str, secret: str) -> str:
    """Return a secret as a session may store it, for this user and purpose only."""
    return encrypt_for_user(request.user.pk, purpose, secret)


def encrypt_for_user(user_id: int, purpose: str, secret: str) -> str:
    """Return a secret that only a session of this user can decrypt.

    For a request without a login, whose user is known otherwise.
    """
    encrypted = encrypt(secret, associated_data=_bound(user_id, purpose))
    return b64encode(encrypted).decode()


def decrypt_for_session(request: OrgRequest, purpose: str, stored: str) -> str:
    """Return the secret that a session stores; raise `SecretUnreadable`."""
    return decrypt(b64decode(stored), associated_data=_bound(request.user.pk, purpose))


def _bound(user_id: int, purpose: str) -> str:
    return f"{purpose} shown to user {user_id}"
