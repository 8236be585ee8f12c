"""Settings of single sign-on, groups, and ID tokens: without a provider or database."""

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from config.roles import ROLES
from config.sso.errors import LoginInvalid, SsoRefused
from config.sso.id_tokens import verify_id_token
from config.sso.identity import (
    Assignment,
    assign,
    identity_of,
    is_two_factor,
    read_groups,
)
from config.sso.options import ROLE_NAMES, Grant, SsoOptions, read_grants, read_options

ISSUER, CLIENT = "https://login.example/realms/a", "orgdesk"
NAMES = ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "NAME", "GROUPS_CLAIM", "ROLES")
NONE = {f"OIDC_{name}": "" for name in NAMES}
GIVEN = {
    "OIDC_ISSUER": ISSUER,
    "OIDC_CLIENT_ID": CLIENT,
    "OIDC_CLIENT_SECRET": "canary",
}


def read(**changes: str) -> SsoOptions | None:
    environment = {**NONE, **GIVEN, **{f"OIDC_{k}": v for k, v in changes.items()}}
    return read_options(environment, enforces_two_factor=False)


def test_settings_of_a_provider() -> None:
    options = read(ROLES="/a b=viewer, x:y=support@acme", NAME="Okta")

    assert options is not None
    assert options.grants == (
        Grant("/a b", "viewer"),
        Grant("x:y", "support", "acme"),
    )
    assert (options.issuer, options.name, options.groups_claim) == (
        ISSUER,
        "Okta",
        "groups",
    )
    assert "canary" not in repr(options)
    assert read_options(NONE, enforces_two_factor=False) is None
    assert set(ROLE_NAMES) == set(ROLES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ISSUER": "http://login.example"}, "OIDC_ISSUER must be"),
        ({"ISSUER": "https://u:p@login.example"}, "OIDC_ISSUER must be"),
        ({"ISSUER": "https://login.example?a=b"}, "OIDC_ISSUER must be"),
        ({"ISSUER": "login.example"}, "OIDC_ISSUER must be"),
        ({"ISSUER": "https://login.example/" + "a" * 200}, "longer"),
        ({"ISSUER": ""}, "has no effect without OIDC_ISSUER"),
        ({"CLIENT_ID": ""}, "OIDC_CLIENT_ID is required"),
        ({"CLIENT_SECRET": " "}, "OIDC_CLIENT_SECRET is required"),
        ({"ROLES": "group"}, "must be group=role"),
        ({"ROLES": "=viewer"}, "must be group=role"),
        ({"ROLES": "a=viewer@"}, "must be group=role"),
        ({"ROLES": "a=owner"}, "'owner' is no role"),
        ({"ROLES": "a=superuser@acme"}, "can't be limited"),
    ],
)
def test_wrong_settings_prevent_the_start(
    changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read(**changes)


def test_a_setting_without_a_provider_prevents_the_start() -> None:
    with pytest.raises(ValueError, match="OIDC_ENFORCES_TWO_FACTOR has no effect"):
        read_options(NONE, enforces_two_factor=True)


OPTIONS = SsoOptions(
    ISSUER,
    CLIENT,
    "s",
    grants=read_grants("a=viewer,a=finance,b=support@acme,c=operator@acme,r=superuser"),
)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("", None),
        ("A", None),
        ("a", Assignment(frozenset({"viewer", "finance"}), "", is_superuser=False)),
        (
            "bc",
            Assignment(frozenset({"support", "operator"}), "acme", is_superuser=False),
        ),
        ("rb", Assignment(frozenset({"support"}), "", is_superuser=True)),
    ],
)
def test_groups_give_roles(groups: str, expected: Assignment | None) -> None:
    assert assign(frozenset(groups), OPTIONS) == expected


@pytest.mark.parametrize(
    ("email", "verified", "expected"),
    [
        ("Ada@example.com", True, "ada@example.com"),
        ("ada@example.com", "true", "ada@example.com"),
        ("ada@example.com", "yes", ""),
        # Some databases and providers take dotless i and long s for i and s.
        ("adm\u0131n@example.com", True, ""),
        ("bo\u017fs@example.com", True, ""),
        (["ada@example.com"], True, ""),
        ("ada", True, ""),
    ],
)
def test_only_verified_plain_addresses_find_accounts(
    email: object, verified: object, expected: str
) -> None:
    claims = {"sub": "1", "email": email, "email_verified": verified}
    assert identity_of(claims, OPTIONS).email == expected


def test_roles_in_one_white_label_and_in_all_are_refused() -> None:
    with pytest.raises(SsoRefused) as refused:
        assign(frozenset("ab"), OPTIONS)
    assert refused.value.reason == "several_white_labels"


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"groups": ["a", 1, None, ["b"]]}, ["a"]),
        ({"groups": "a"}, ["a"]),
        ({"groups": {"a": 1}}, []),
        ({}, []),
    ],
)
def test_groups_are_read_from_a_list_or_a_text(
    claims: dict[str, Any], groups: list[str]
) -> None:
    assert list(read_groups(claims, "groups")) == groups


def test_groups_are_read_from_within_a_claim() -> None:
    claims = {"realm_access": {"roles": ["a"]}, "https://x.y/g": ["b"]}

    assert list(read_groups(claims, "realm_access.roles")) == ["a"]
    assert list(read_groups(claims, "https://x.y/g")) == ["b"]


@pytest.mark.parametrize("amr", ["mfa", ["pwd"], ["hwk"], ["otp"], None, [["mfa"]]])
def test_one_method_is_not_two_factors(amr: object) -> None:
    assert not is_two_factor({"amr": amr})


KEY, OTHER = (
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP256R1()),
)
JWK = ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
KEYS = {"keys": [{**JWK, "kid": "k", "alg": "ES256", "use": "sig"}]}


def token(key: Any = KEY, alg: str = "ES256", kid: str = "k", **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": "ada",
        "nonce": "n",
        "iat": now,
        "exp": now + 86_400,
        **changes,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, key, algorithm=alg, headers={"kid": kid})


def verify(text: str) -> dict[str, Any]:
    return verify_id_token(text, KEYS, issuer=ISSUER, client_id=CLIENT, nonce="n")


def test_a_token_of_the_provider_is_accepted() -> None:
    assert verify(token())["sub"] == "ada"
    assert verify(token(aud=[CLIENT, "b"], azp=CLIENT))["sub"] == "ada"


PUBLIC = "public-key-of-the-provider-as-a-secret-of-many-bytes"


@pytest.mark.parametrize(
    "text",
    [
        token(OTHER),
        token(kid="other"),
        token(PUBLIC, "HS256"),
        token("", "none"),
        token(iss="https://evil.example"),
        token(iss=ISSUER + "/"),
        token(aud="other"),
        token(aud=[CLIENT, "other"]),
        token(aud=[CLIENT, "other"], azp="other"),
        token(azp="other"),
        token(exp=1),
        token(exp=None),
        token(iat=None),
        token(nonce="m"),
        token(nonce=None),
        token(sub=None),
        token(sub=""),
        token(sub="s" * 192),
        *("", "a.b.c", "eyJhbGciOiJub25lIn0.e30."),
    ],
)  # fmt: skip
def test_any_other_token_is_refused(text: str) -> None:
    with pytest.raises(LoginInvalid):
        verify(text)


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": [{}]}, {"keys": "x"}])
def test_malformed_keys_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(LoginInvalid):
        verify_id_token(token(), keys, issuer=ISSUER, client_id=CLIENT, nonce="n")
