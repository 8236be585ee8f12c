"""Forms of accounts that ask for a secret: each attempt is counted as a login is."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import AddEmailForm as BaseAddEmailForm
from allauth.account.forms import ChangePasswordForm as BaseChangePasswordForm
from allauth.account.forms import ResetPasswordKeyForm as BaseResetPasswordKeyForm
from allauth.account.forms import SetPasswordForm as BaseSetPasswordForm
from allauth.account.forms import UserTokenForm as BaseUserTokenForm
from allauth.account.models import EmailAddress
from allauth.core import context as current
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from config.accounts import refused_in_form
from orgs.access.attempts import counted_attempt, remember_address
from orgs.access.reauthentication import require_recent_authentication


class ChangePasswordForm(BaseChangePasswordForm):  # type: ignore[misc]
    """The change of a password, which asks for the old one."""

    def clean_oldpassword(self) -> str:
        """Return the old password; counted as a login with it is."""
        password: str = self.cleaned_data.get("oldpassword", "")
        if not get_adapter().reauthenticate(self.user, password):
            raise get_adapter().validation_error("enter_current_password")
        return password


class AddEmailForm(BaseAddEmailForm):  # type: ignore[misc]
    """A new email address, which replaces the old one when its link was opened."""

    def save(self, request: HttpRequest) -> Any:
        """Send the link; the address that the account has stays until then.

        It was set by an administrator or an earlier link, so it counts as verified.
        """
        if self.user.email:
            EmailAddress.objects.filter(user=self.user, primary=True).exclude(
                email__iexact=self.user.email
            ).update(primary=False)
            EmailAddress.objects.update_or_create(
                user=self.user,
                email=self.user.email.lower(),
                defaults={"verified": True, "primary": True},
            )
        return super().save(request)


class SetPasswordForm(BaseSetPasswordForm):  # type: ignore[misc]
    """The first password of an account that logged in without one."""

    def clean(self) -> Any:
        """Raise `ReauthenticationRequired` unless the person proved presence."""
        require_recent_authentication(current.request)
        return super().clean()


class UserTokenForm(BaseUserTokenForm):  # type: ignore[misc]
    """The key in the link of a password reset."""

    def clean(self) -> Any:
        """Check the key, and count a wrong one as a wrong password is.

        A right one is never refused: it is the way out for a person whose account is
        being guessed at, and too long to be guessed itself.
        """
        try:
            return super().clean()
        except ValidationError:
            self._count()
            raise

    def _count(self) -> None:
        request, uid = current.request, str(self.data["uidb36"])
        user = self._get_user(uid)
        with refused_in_form(request), counted_attempt(request, user, f"reset {uid}"):
            pass  # it was wrong


class ResetPasswordKeyForm(BaseResetPasswordKeyForm):  # type: ignore[misc]
    """The new password after a reset."""

    def save(self) -> None:
        """Store the password, and let guesses of others not keep its owner out."""
        super().save()
        remember_address(current.request, self.user)
