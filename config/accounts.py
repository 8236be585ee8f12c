"""Accounts are made by operators: there is no sign-up."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context as current
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from orgs.access.actors import act_as_owner
from orgs.access.addresses import client_address
from orgs.access.attempts import remember_address
from orgs.access.credentials import (
    check_login,
    check_password_again,
    is_single_sign_on_required,
)
from orgs.access.sessions import is_recently_confirmed
from orgs.commands.account_emails import write_reset_email
from orgs.errors import RateLimited, SingleSignOnRequired, Unavailable
from orgs.models import User
from orgs.web.http import is_internal_path


class _Site(NamedTuple):
    """The installation as templates of emails name it."""

    name: str
    domain: str


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up, addresses, and emails of accounts, as this installation wants them."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str) -> bool:
        """Return whether a page may lead to a URL after a login: only to our pages."""
        return is_internal_path(url)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Return the user of a name and password; counted with all other logins."""
        name = credentials.get("username") or credentials.get("email") or ""
        with refused_in_form(request):
            return check_login(request, name, credentials["password"])

    def pre_login(
        self, request: HttpRequest, user: User, **options: Any
    ) -> HttpResponse | None:
        """Refuse every login but single sign-on if that is required, passkeys too."""
        is_single_sign_on = getattr(request, "is_single_sign_on", False)
        if not is_single_sign_on and is_single_sign_on_required(user.get_username()):
            raise SingleSignOnRequired
        response: HttpResponse | None = super().pre_login(request, user, **options)
        return response

    def reauthenticate(self, user: User, password: str) -> bool:
        """Return whether a logged-in user knows the password; counted as a login."""
        request = current.request
        with refused_in_form(request):
            return check_password_again(request, user, password)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Let a new address replace the old one, unless another account has it."""
        others = User.objects.exclude(pk=email_address.user_id)
        if others.filter(email__iexact=email_address.email).exists():
            messages.error(request, "This address cannot be used.")
            return False
        act_as_owner(email_address.user)  # the link went to the address
        return bool(super().confirm_email(request, email_address))

    def set_password(self, user: User, password: str) -> None:
        """Set a password; who is not logged in has opened the link of a reset."""
        if not current.request.user.is_authenticated:
            act_as_owner(user)
        super().set_password(user, password)

    def is_reauthentication_required(self, *, app: str, **_: Any) -> bool:
        """Return whether allauth's own pages have to ask: by the rule of all others."""
        return not is_recently_confirmed(current.request)

    def post_login(
        self, request: HttpRequest, user: User, **options: Any
    ) -> HttpResponse:
        """Answer a complete login, and remember from where it came."""
        remember_address(request, user)
        response: HttpResponse = super().post_login(request, user, **options)
        return response

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
        if template_prefix in _RESETS:
            write_reset_email(email)  # a worker answers: anybody may ask for any
            return
        request = current.request
        site = _Site(settings.SITE_NAME, urlsplit(settings.SITE_URL).netloc)
        general = {"request": request, "email": email, "current_site": site}
        links = {key: _public_link(value, request) for key, value in context.items()}
        self.render_mail(template_prefix, email, general | links).send()


# What allauth would send to an address with an account, and to one without.
_RESETS = {"account/email/password_reset_key", "account/email/unknown_account"}


_NO_MAIL_HOST = (
    "This installation cannot send email. Ask an administrator to set your password."
)


def _public_link(value: Any, request: HttpRequest) -> Any:
    """Return a link to us with the public address in place of the requested host."""
    origin = request.build_absolute_uri("/")
    if not (isinstance(value, str) and value.startswith(origin)):
        return value
    return f"{settings.SITE_URL}/{value.removeprefix(origin)}"


@contextmanager
def refused_in_form(request: HttpRequest) -> Iterator[None]:
    """Show in the form that its attempt was not checked, and for how long.

    The page has the status 429 and Retry-After (`config.errors`).
    """
    try:
        yield
    except SingleSignOnRequired as error:
        raise ValidationError(error.message, code=error.code) from None
    except RateLimited as error:
        request.retry_after = error.retry_after  # type: ignore[attr-defined]
        raise ValidationError(_wait_text(error.retry_after), code=error.code) from None


def _wait_text(seconds: int) -> str:
    minutes = -(-seconds // 60)
    wait = f"{seconds} seconds" if minutes <= 1 else f"{minutes} minutes"
    return f"Too many failed attempts. Try again in {wait}."
