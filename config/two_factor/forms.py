"""Forms of two-factor login whose codes work once, over all entry points."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY, generate_totp_secret
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from redis import RedisError

from config.accounts import refused_in_form
from orgs.access.attempts import counted_attempt
from orgs.commands.factors import totp_counter, use_code
from orgs.errors import DomainError, SecretUnreadable
from orgs.web.once import decrypt_for_session, encrypt_for_session

logger = logging.getLogger(__name__)
_MAX_NAME = 100
_PURPOSE = "seed of a new authenticator app"
_CODE_ATTRIBUTES = {
    "autocomplete": "one-time-code",
    "inputmode": "numeric",
    "autofocus": True,
    "spellcheck": "false",
}


class _UsesCode(forms.Form):
    """A mixin for allauth's forms that checks a code by the command of all logins."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        widget=forms.TextInput(attrs=_CODE_ATTRIBUTES),
        help_text="The code of your authenticator app, or a recovery code.",
    )
    user: Any

    def clean_code(self) -> str:
        """Use up the code; it is counted with the passwords of the account."""
        request, code = context.request, str(self.cleaned_data["code"])
        with refused_in_form(request), counted_attempt(request, self.user) as attempt:
            factor = use_code(self.user, code)
            if factor is None:
                self._report_failure()
                raise get_adapter().validation_error("incorrect_code")
            attempt.succeed()
        factor.user = self.user
        self.authenticator = factor
        return code

    def _report_failure(self) -> None:
        factor = Authenticator.objects.filter(user=self.user).first()
        if factor is not None:
            self._emit_authentication_failed(factor)  # type: ignore[attr-defined]


class CodeForm(_UsesCode, AuthenticateForm):  # type: ignore[misc]
    """The code of the second step of a login."""


class ReauthenticationCodeForm(_UsesCode, ReauthenticateForm):  # type: ignore[misc]
    """The code that proves presence before a sensitive change."""


class ActivateTotpForm(forms.Form):
    """The first code of a new authenticator app.

    The seed waits in the session, encrypted, and is new at each visit of the page.
    """

    code = forms.CharField(
        label="Code",
        max_length=20,
        widget=forms.TextInput(attrs=_CODE_ATTRIBUTES),
        help_text="The six digits that the app shows now.",
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.secret = self._stored_secret() if self.is_bound else ""
        if not self.secret:
            self.secret = generate_totp_secret()
            stored = encrypt_for_session(context.request, _PURPOSE, self.secret)
            context.request.session[SECRET_SESSION_KEY] = stored

    def _stored_secret(self) -> str:
        stored = context.request.session.get(SECRET_SESSION_KEY, "")
        try:
            return decrypt_for_session(context.request, _PURPOSE, stored)
        except (SecretUnreadable, ValueError):
            return ""

    def clean_code(self) -> str:
        """Return the code if the seed has it now; no one else knows the seed."""
        code = str(self.cleaned_data["code"])
        if totp_counter(self.secret, code) is None:
            raise get_adapter().validation_error("incorrect_code")
        return code


@contextmanager
def _refused_if_malformed() -> Iterator[None]:
    """Show an answer that is no passkey as a wrong one.

    The library that reads it raises errors of many kinds for what no browser sends.
    """
    try:
        yield
    except (ValidationError, DomainError, DatabaseError, RedisError):
        raise
    except Exception as error:  # whatever it is, the passkey was not valid
        logger.info("passkey_malformed error=%s", type(error).__name__)
        raise get_adapter().validation_error("incorrect_code") from None


class _ReadsPasskey(forms.Form):
    """A mixin for the forms that log in with a passkey, or confirm a login."""

    def clean_credential(self) -> Authenticator:
        with _refused_if_malformed():
            factor: Authenticator = super().clean_credential()  # type: ignore[misc]
            return factor


class PasskeyForm(_ReadsPasskey, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """The passkey of the second step of a login."""


class PasskeyLoginForm(_ReadsPasskey, LoginWebAuthnForm):  # type: ignore[misc]
    """The passkey in place of a password."""


class ReauthenticationPasskeyForm(
    _ReadsPasskey,
    ReauthenticateWebAuthnForm,  # type: ignore[misc]
):
    """The passkey that proves presence before a sensitive change."""


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """A new passkey: its name, and whether it replaces the password."""

    name = forms.CharField(max_length=_MAX_NAME, required=False, label="Name")
    passwordless = forms.BooleanField(
        label="Use this passkey to log in without a password",
        required=False,
        initial=True,
    )

    def clean(self) -> Any:
        """Check what the browser made; a malformed answer is a wrong one."""
        with _refused_if_malformed():
            return super().clean()


class RenamePasskeyForm(EditWebAuthnForm):  # type: ignore[misc]
    """Another name of a passkey."""

    name = forms.CharField(max_length=_MAX_NAME, label="Name")
