"""Who may use the fake Stripe: the holder of its key, which the state folder has.

Every local user can reach the port. Calls of the API and of the controls need the key;
the pages of customers have a path that only their links have.
"""

import base64
import hashlib
import hmac

OPEN = ""  # the key of a fake that accepts every test key, for tests


def sent_key(header: str) -> str:
    """Return the key in a header `Authorization`: Bearer, or the user of Basic."""
    scheme, _, credentials = header.partition(" ")
    key = credentials.strip()
    if scheme.lower() != "basic":
        return key
    try:
        return base64.b64decode(key).decode().partition(":")[0]
    except ValueError:
        return ""


def is_allowed(key: str, header: str) -> bool:
    """Return whether a header `Authorization` has the key of the server."""
    return key == OPEN or hmac.compare_digest(sent_key(header).encode(), key.encode())


def pages_path(key: str) -> str:
    """Return how paths of pages begin, from which the key cannot be derived."""
    if key == OPEN:
        return ""
    digest = hmac.digest(key.encode(), b"pages", hashlib.sha256)
    return f"/{digest.hex()[:32]}"


def page_of(path: str, prefix: str) -> str | None:
    """Return the path of a page without the secret beginning; None without it."""
    start, page = path[: len(prefix)], path[len(prefix) :]
    is_known = hmac.compare_digest(start.encode(), prefix.encode())
    return page if is_known and page.startswith(("/i/", "/p/")) else None
