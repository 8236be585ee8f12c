"""The person of verified claims: address, names, groups, and how the login was made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from allauth.account.internal.emailkit import valid_email_or_none

from config.sso.errors import SsoRefused
from config.sso.options import SUPERUSER, SsoOptions

_MAX_NAME = 150
# RFC 8176: `mfa`, or what a person knows together with what the person has or is.
_KNOWN = frozenset({"pwd", "pin", "kba"})
_HAD = frozenset(
    {"otp", "hwk", "swk", "pop", "sc", "sms", "tel", "fpt", "face", "iris"}
)
_TWO_FACTOR_CLASSES = frozenset(
    {
        "phr",
        "phrh",
        "https://refeds.org/profile/mfa",
        "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
        "http://schemas.microsoft.com/claims/multipleauthn",
    }
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as the provider knows it; `email` is empty unless it is verified."""

    subject: str
    email: str
    username: str
    first_name: str
    last_name: str
    groups: frozenset[str]
    has_second_factor: bool


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the groups of a person give; no white label means all of them."""

    roles: frozenset[str]
    white_label: str
    is_superuser: bool


def identity_of(claims: Mapping[str, Any], options: SsoOptions) -> Identity:
    """Return the person of the claims of an ID token, and of user information."""
    return Identity(
        subject=str(claims["sub"]),
        email=_verified_address(claims),
        username=_text(claims.get("preferred_username")),
        first_name=_text(claims.get("given_name")),
        last_name=_text(claims.get("family_name")),
        groups=frozenset(read_groups(claims, options.groups_claim)),
        has_second_factor=options.enforces_two_factor or is_two_factor(claims),
    )


def _verified_address(claims: Mapping[str, Any]) -> str:
    """Return the address, or nothing unless it is verified.

    Nor if it has characters outside ASCII: databases and providers disagree on their
    capitals, so that a similar address could become another person's.
    """
    address = claims.get("email")
    is_verified = claims.get("email_verified") in (True, "true")
    if not (is_verified and isinstance(address, str) and address.isascii()):
        return ""
    return valid_email_or_none(address) or ""


def _text(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(char for char in text if char.isprintable())[:_MAX_NAME]


def read_groups(claims: Mapping[str, Any], claim: str) -> Iterable[str]:
    """Yield the groups of a claim: a text or a list; `a.b` is `b` within `a`."""
    value: Any = claims
    if claim in claims:
        value = claims[claim]
    else:
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    for group in value if isinstance(value, list) else [value]:
        if isinstance(group, str):
            yield group


def is_two_factor(claims: Mapping[str, Any]) -> bool:
    """Return whether the provider states that the login had two factors."""
    methods = claims.get("amr")
    used = set(map(str, methods)) if isinstance(methods, list) else set()
    has_both = bool(used & _KNOWN and used & _HAD)
    return "mfa" in used or has_both or claims.get("acr") in _TWO_FACTOR_CLASSES


def assign(groups: frozenset[str], options: SsoOptions) -> Assignment | None:
    """Return what the groups give, or None if they give nothing.

    Raises `SsoRefused` for roles in several white labels, or in one and in all: an
    account has one white label or none.
    """
    granted = [grant for grant in options.grants if grant.group in groups]
    if not granted:
        return None
    is_superuser = any(grant.role == SUPERUSER for grant in granted)
    roles = frozenset(grant.role for grant in granted) - {SUPERUSER}
    labels = {grant.white_label for grant in granted}
    if len(labels) > 1 and not is_superuser:
        raise SsoRefused(
            "several_white_labels",
            "Your groups give access to several white labels. An administrator has to"
            " leave you in the groups of one.",
        )
    return Assignment(roles, "" if is_superuser else labels.pop(), is_superuser)
