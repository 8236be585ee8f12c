"""Why a single sign-on failed, for the page and the logs; none contains a secret."""

from allauth.socialaccount.providers.oauth2.client import OAuth2Error


class ProviderUnavailable(OAuth2Error):  # type: ignore[misc]
    """The provider did not answer in time, or not as a provider does."""


class LoginInvalid(OAuth2Error):  # type: ignore[misc]
    """The provider refused, or what it sent is not valid for this login."""


class SsoRefused(Exception):
    """The provider knows the person, but Orgdesk lets no account in.

    `reason` is stable: it is in the security log and on the page.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
