"""What allauth asks about providers."""

from typing import Any

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from django.conf import settings
from django.http import HttpRequest

from config.sso.provider import PROVIDER_ID, SsoProvider


class SsoAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """One provider, from the environment; rows of the database name none."""

    def list_apps(
        self, request: HttpRequest, provider: Any = None, client_id: Any = None
    ) -> list[SocialApp]:
        """Return the client of the settings, which is never stored."""
        if settings.SSO is None:
            return []
        return [
            SocialApp(
                provider=SsoProvider.id,
                provider_id=PROVIDER_ID,
                name=settings.SSO.name,
                client_id=settings.SSO.client_id,
                secret=settings.SSO.client_secret,
                settings={"server_url": settings.SSO.issuer},
            )
        ]

    def get_provider(
        self, request: HttpRequest, provider: Any, client_id: Any = None
    ) -> SsoProvider:
        """Return the provider of the settings; raise `SocialApp.DoesNotExist`."""
        return SsoProvider(request, app=self.get_app(request, PROVIDER_ID))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Return False: `config.sso.accounts` creates accounts."""
        return False
