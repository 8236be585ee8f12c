"""Checking ID tokens (OpenID Connect Core 1.0, 3.1.3.7), the signature included."""

from typing import Any

import jwt
from django.utils.crypto import constant_time_compare

from config.sso.errors import LoginInvalid

# Asymmetric only: with HS256 the public key could be used as a secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
_ALGORITHMS += ["ES256", "ES384", "ES512", "EdDSA"]
_LEEWAY_SECONDS = 30
_MAX_SUBJECT = 191  # of the table of links; the standard's is 255 characters
_REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nonce"]


class UnknownKey(LoginInvalid):
    """The token is signed with a key that is not among those of the provider."""


def verify_id_token(
    token: str, keys: dict[str, Any], *, issuer: str, client_id: str, nonce: str
) -> dict[str, Any]:
    """Return the claims of a token that was issued by, for, and in answer to these.

    Raises `UnknownKey`, or `LoginInvalid` with a reason that has nothing of the token.
    """
    key = _key_of(token, keys)
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=_ALGORITHMS,
            issuer=issuer,
            audience=client_id,
            leeway=_LEEWAY_SECONDS,
            options={"require": _REQUIRED},
        )
    except jwt.PyJWTError as error:
        raise LoginInvalid(f"ID token: {type(error).__name__}") from None
    _check_party(claims, client_id)
    if not constant_time_compare(str(claims["nonce"]), nonce):
        raise LoginInvalid("ID token: the nonce is of another login")
    if not 0 < len(claims["sub"]) <= _MAX_SUBJECT:
        raise LoginInvalid("ID token: no subject")
    return claims


def _check_party(claims: dict[str, Any], client_id: str) -> None:
    """Refuse a token for several clients that another one of them asked for."""
    audience, party = claims["aud"], claims.get("azp")
    is_for_several = isinstance(audience, list) and len(audience) > 1
    if (party is None and is_for_several) or party not in (None, client_id):
        raise LoginInvalid("ID token: authorized party is another client")


def _key_of(token: str, keys: dict[str, Any]) -> jwt.PyJWK:
    try:
        header = jwt.get_unverified_header(token)
        known = jwt.PyJWKSet.from_dict(keys).keys
    except (jwt.PyJWTError, AttributeError, TypeError, ValueError, KeyError):
        raise LoginInvalid("ID token or keys of the provider are malformed") from None
    usable = [key for key in known if key.public_key_use in (None, "sig")]
    matching = [key for key in usable if key.key_id == header.get("kid")]
    if header.get("kid") is None:
        matching = usable if len(usable) == 1 else []
    if not matching:
        raise UnknownKey("ID token: signed with an unknown key")
    return matching[0]
