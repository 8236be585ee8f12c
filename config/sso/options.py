"""The settings of single sign-on, from the environment, checked at the start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404

from orgs.networks import is_loopback

SUPERUSER = "superuser"
# The names of `config.roles`, which needs the models, and so cannot be imported here.
ROLE_NAMES = ("viewer", "support", "finance", "operator")
_MAX_ISSUER_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Grant:
    """What membership of a group gives: a role, in one white label or in all."""

    group: str
    role: str
    white_label: str = ""


@dataclass(frozen=True, slots=True)
class SsoOptions:
    """The provider and what its groups mean; the representation has no secret."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str = "single sign-on"
    groups_claim: str = "groups"
    grants: tuple[Grant, ...] = ()
    enforces_two_factor: bool = False

    @property
    def manages_superusers(self) -> bool:
        """Return whether a group is named that makes its members superusers."""
        return any(grant.role == SUPERUSER for grant in self.grants)


def read_options(
    environment: Mapping[str, str], *, enforces_two_factor: bool
) -> SsoOptions | None:
    """Return the settings `OIDC_…`, or None without an issuer; raise `ValueError`."""
    given = {n.removeprefix("OIDC_"): v.strip() for n, v in environment.items()}
    if not given["ISSUER"]:
        flag = {"OIDC_ENFORCES_TWO_FACTOR": "1" if enforces_two_factor else ""}
        _require_none({**environment, **flag})
        return None
    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        if not given[name]:
            raise ValueError(f"OIDC_{name} is required with OIDC_ISSUER")
    return SsoOptions(
        issuer=_read_issuer(given["ISSUER"]),
        client_id=given["CLIENT_ID"],
        client_secret=given["CLIENT_SECRET"],
        name=given["NAME"] or "single sign-on",
        groups_claim=given["GROUPS_CLAIM"] or "groups",
        grants=read_grants(given["ROLES"]),
        enforces_two_factor=enforces_two_factor,
    )


def current_options() -> SsoOptions:
    """Return the settings in force; raise `Http404` if single sign-on is off."""
    if settings.SSO is None:
        raise Http404
    options: SsoOptions = settings.SSO
    return options


def _require_none(environment: Mapping[str, str]) -> None:
    """Refuse settings that have no effect without an issuer."""
    useless = sorted(name for name, value in environment.items() if value)
    if useless:
        raise ValueError(f"{useless[0]} has no effect without OIDC_ISSUER")


def _read_issuer(text: str) -> str:
    parts = urlsplit(text)
    is_secure = parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    )
    is_plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    if not (is_secure and parts.hostname and is_plain):
        raise ValueError(
            "OIDC_ISSUER must be an https:// URL without user, query, or fragment"
        )
    if len(text) > _MAX_ISSUER_LENGTH:
        raise ValueError(f"OIDC_ISSUER is longer than {_MAX_ISSUER_LENGTH} characters")
    return text


def read_grants(text: str) -> tuple[Grant, ...]:
    """Return the grants of `group=role` and `group=role@white-label`, by commas.

    Raises `ValueError`, which names the part at fault.
    """
    return tuple(_read_grant(part.strip()) for part in text.split(",") if part.strip())


def _read_grant(part: str) -> Grant:
    group, _, value = part.rpartition("=")
    role, at, white_label = value.strip().partition("@")
    if not group.strip() or (at and not white_label):
        raise ValueError(
            f"OIDC_ROLES: {part!r} must be group=role or group=role@white-label"
        )
    if role not in (*ROLE_NAMES, SUPERUSER):
        known = ", ".join((*ROLE_NAMES, SUPERUSER))
        raise ValueError(f"OIDC_ROLES: {role!r} is no role; use one of {known}")
    if role == SUPERUSER and white_label:
        raise ValueError("OIDC_ROLES: a superuser can't be limited to a white label")
    return Grant(group.strip(), role, white_label)
