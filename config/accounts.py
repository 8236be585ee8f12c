"""Accounts are made by operators: there is no sign-up."""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.core import context as current
from django.conf import settings
from django.http import HttpRequest

from orgs.access.addresses import client_address
from orgs.access.backends import UserReader
from orgs.errors import Unavailable


class LoginBackend(UserReader, AuthenticationBackend):  # type: ignore[misc]
    """Login by email or name; users are read as `RoleBackend` reads them."""


class _Site(NamedTuple):
    """The installation as templates of emails name it."""

    name: str
    domain: str


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up, addresses, and emails of accounts, as this installation wants them."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address of the client, which allauth counts attempts by."""
        return client_address(request)

    def send_mail(
        self, template_prefix: str, email: str, context: dict[str, Any]
    ) -> None:
        """Send an email about an account, with links to `SITE_URL`.

        Never to the host that the request names, for its sender chooses that. Raises
        `Unavailable` if the email would be printed where others can read it.
        """
        if not (settings.HAS_MAIL_HOST or settings.LOOPBACK_ONLY):
            raise Unavailable(_NO_MAIL_HOST, code="email_unavailable")
        request = current.request
        site = _Site(settings.SITE_NAME, urlsplit(settings.SITE_URL).netloc)
        general = {"request": request, "email": email, "current_site": site}
        links = {key: _public_link(value, request) for key, value in context.items()}
        self.render_mail(template_prefix, email, general | links).send()


_NO_MAIL_HOST = (
    "This installation cannot send email. Ask an administrator to set your password."
)


def _public_link(value: Any, request: HttpRequest) -> Any:
    """Return a link to us with the public address in place of the requested host."""
    origin = request.build_absolute_uri("/")
    if not (isinstance(value, str) and value.startswith(origin)):
        return value
    return f"{settings.SITE_URL}/{value.removeprefix(origin)}"
