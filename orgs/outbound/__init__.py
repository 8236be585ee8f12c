"""Requests to addresses that users enter, which must not reach private networks.

`check_url` is for forms and APIs, `send` contacts; both admit the same addresses. All
requests to a URL of a user go through `send`: it resolves the name once, checks every
address, connects to a checked one, follows no redirect, uses no proxy, and ends at one
deadline. Its errors are values.
"""

from orgs.outbound.client import send
from orgs.outbound.urls import check_url, is_same_origin
from orgs.outbound.values import Answer, ErrorKind, Target

__all__ = ["Answer", "ErrorKind", "Target", "check_url", "is_same_origin", "send"]
