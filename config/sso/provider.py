"""allauth's provider of OpenID Connect, with what it leaves out.

Added are a nonce, the signature of ID tokens, and the check of the issuer. Left out are
the parameters by which a link could change a request to the provider.
"""

import secrets
from typing import Any

from allauth.socialaccount.providers.oauth2.client import OAuth2Client
from allauth.socialaccount.providers.openid_connect.provider import (
    OpenIDConnectProvider,
)
from allauth.socialaccount.providers.openid_connect.views import (
    OpenIDConnectOAuth2Adapter,
)
from django.http import HttpRequest
from django.urls import reverse

from config.sso.discovery import read_configuration, read_keys
from config.sso.errors import LoginInvalid
from config.sso.id_tokens import UnknownKey, verify_id_token
from config.sso.options import current_options
from config.sso.requests import basic_authorization, fetch_json, is_as_secure

PROVIDER_ID = "sso"


class ProviderClient(OAuth2Client):  # type: ignore[misc]
    """The exchange of a code for tokens."""

    def get_access_token(
        self, code: str, pkce_code_verifier: str | None = None, extra_data: Any = None
    ) -> dict[str, Any]:
        """Return the token answer; raise `LoginInvalid` or `ProviderUnavailable`."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback_url,
            "code_verifier": pkce_code_verifier or "",
        }
        headers = {}
        if self.basic_auth:
            pair = self.consumer_key, self.consumer_secret
            headers["authorization"] = basic_authorization(*pair)
        else:
            form["client_id"] = self.consumer_key
            form["client_secret"] = self.consumer_secret
        answer = fetch_json(self.access_token_url, form=form, headers=headers)
        if not isinstance(answer.get("id_token"), str):
            raise LoginInvalid("the provider sent no ID token")
        return answer


class ProviderAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """The provider's addresses, and the claims of a login."""

    client_class = ProviderClient
    nonce = ""  # of this login, from the session

    @property
    def openid_config(self) -> dict[str, Any]:
        """Return the provider's configuration; raise `ProviderUnavailable`."""
        return read_configuration(current_options().issuer)

    @property
    def basic_auth(self) -> bool:
        """Return whether the secret is sent in a header, which is the default."""
        name = "token_endpoint_auth_methods_supported"
        methods = self.openid_config.get(name) or ["client_secret_basic"]
        return "client_secret_basic" in methods

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        """Return our address to which the provider sends the person back."""
        return request.build_absolute_uri(reverse("sso_callback"))

    def read_claims(self, tokens: dict[str, Any]) -> dict[str, Any]:
        """Return the claims of the ID token, and what user information adds to them."""
        claims = self._verify(tokens["id_token"])
        url = self.openid_config.get("userinfo_endpoint")
        options = current_options()
        needed = {"email", "email_verified", options.groups_claim.split(".")[0]}
        token = tokens.get("access_token")
        if needed <= claims.keys() or not url or not isinstance(token, str):
            return claims
        if not is_as_secure(url, options.issuer):
            raise LoginInvalid("the provider's user information has less TLS")
        added = fetch_json(url, headers={"authorization": f"Bearer {token}"})
        if added.get("sub") != claims["sub"]:
            raise LoginInvalid("user information is of another subject")
        return {**added, **claims}

    def _verify(self, token: str) -> dict[str, Any]:
        """Return the claims; fetch the keys again if the provider has new ones."""
        options, url = current_options(), self.openid_config["jwks_uri"]
        expected = {"issuer": options.issuer, "client_id": options.client_id}
        try:
            return verify_id_token(token, read_keys(url), **expected, nonce=self.nonce)
        except UnknownKey:
            keys = read_keys(url, again=True)
            return verify_id_token(token, keys, **expected, nonce=self.nonce)


class SsoProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """The one provider that the environment names."""

    oauth2_adapter_class = ProviderAdapter
    pkce_enabled_default = True

    def get_login_url(self, request: HttpRequest, **kwargs: Any) -> str:
        """Return the address that begins a login."""
        return reverse("sso_login")

    def get_auth_params_from_request(
        self, request: HttpRequest, action: str
    ) -> dict[str, str]:
        """Return nothing: a link must not change the request to the provider."""
        return {}

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        """Return our scopes, whatever the link asks for."""
        return ["openid", "profile", "email"]

    def redirect(self, request: HttpRequest, process: str, **kwargs: Any) -> Any:
        """Send the person to the provider, with a nonce that the session keeps.

        Linking a logged-in account is not offered, whatever `process` the link names.
        """
        nonce = secrets.token_urlsafe(24)
        parameters = {"auth_params": {"nonce": nonce}, "nonce": nonce}
        return super().redirect(request, "login", **{**kwargs, **parameters})
