"""Guesses at passwords and codes: one counter per account, over all ways in."""

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth import hashers
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.http import int_to_base36

from orgs.access import attempts, limits, log_in
from orgs.access.attempts import counted_attempt
from orgs.commands.account_emails import send_email
from orgs.errors import RateLimited
from orgs.models import AccountEmail, Organization, User
from tests.factories import make_key, make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
LIMIT = attempts.ACCOUNT_FAILURES
JSON = "application/json"


@pytest.fixture
def person() -> User:
    user = make_user("fin", "finance")
    user.set_password(PASSWORD)
    user.save()
    return user


def request_from(address: str) -> HttpRequest:
    return RequestFactory().post("/", REMOTE_ADDR=address)


def address(number: int) -> str:
    return f"198.51.{number // 250}.{number % 250}"


# --- every way in -----------------------------------------------------------------


def by_page(name: str, password: str, at: str) -> int:
    body = {"login": name, "password": password}
    return Client().post("/accounts/login/", body, REMOTE_ADDR=at).status_code


def by_contract_c(name: str, password: str, at: str) -> int:
    body = {"username": name, "password": password}
    url = "/api/v1/users/auth/_login"
    response = Client().post(url, body, content_type=JSON, REMOTE_ADDR=at)
    return response.status_code


def by_contract_a(name: str, password: str, at: str) -> int:
    body = {"username": name, "password": password, "totpToken": "000000"}
    response = Client().post("/v1/api-login", body, content_type=JSON, REMOTE_ADDR=at)
    return response.status_code


def by_basic(name: str, password: str, at: str) -> int:
    value = b64encode(f"{name}:{password}".encode()).decode()
    headers = {"authorization": f"Basic {value}"}
    url = "/api/v1/organizations"
    return Client().get(url, headers=headers, REMOTE_ADDR=at).status_code


def logged_in(user: User, at: str) -> Client:
    client = Client(REMOTE_ADDR=at)
    client.force_login(user)
    return client


def by_reauthentication(name: str, password: str, at: str) -> int:
    client = logged_in(User.objects.get(username="fin"), at)
    body = {"password": password}
    return client.post("/accounts/reauthenticate/", body).status_code


def by_password_change(name: str, password: str, at: str) -> int:
    client = logged_in(User.objects.get(username="fin"), at)
    new = {"password1": "another one entirely", "password2": "another one entirely"}
    body = {"oldpassword": password, **new}
    return client.post("/accounts/password/change/", body).status_code


def by_reset_key(name: str, password: str, at: str) -> int:
    uid = int_to_base36(User.objects.get(username="fin").pk)
    url = f"/accounts/password/reset/key/{uid}-{'x' * 6}-{'y' * 32}/"
    return Client(REMOTE_ADDR=at).get(url).status_code


WAYS = {
    "page": by_page,
    "contract C": by_contract_c,
    "contract A": by_contract_a,
    "Basic": by_basic,
    "reauthentication": by_reauthentication,
    "password change": by_password_change,
    "reset key": by_reset_key,
}


@pytest.mark.parametrize("entry", WAYS)
def test_a_guess_by_one_way_counts_for_all_others(
    person: User, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "ACCOUNT_FAILURES", 1)
    assert WAYS[entry]("fin", "wrong", address(1)) in (200, 401)

    for number, other in enumerate(WAYS):
        if other != "reset key":  # a right one is never refused
            assert WAYS[other]("fin", PASSWORD, address(50 + number)) == 429, other


def test_a_right_answer_is_not_counted(person: User) -> None:
    for number in range(LIMIT * 2):
        assert by_contract_c("fin", PASSWORD, address(number)) == 200
        assert by_page("fin", PASSWORD, address(number)) == 302


@pytest.mark.parametrize("name", ["fin", "FIN", "fin@example.com", "Fin@EXAMPLE.com"])
def test_name_and_address_lead_to_one_counter(person: User, name: str) -> None:
    for number in range(LIMIT):
        by_contract_c(name, "wrong", address(number))

    assert by_contract_c("fin", PASSWORD, address(99)) == 429


def test_unknown_names_are_refused_like_known_ones(person: User) -> None:
    answers = {}
    for name in ("fin", "nobody", " NoBody", "\uff4e\uff4f\uff42\uff4f\uff44\uff59"):
        answers[name] = [by_contract_c(name, "x", address(n)) for n in range(LIMIT)]

    assert answers["fin"] == answers["nobody"] == [401] * LIMIT
    assert (
        answers[" NoBody"]
        == answers["\uff4e\uff4f\uff42\uff4f\uff44\uff59"]
        == [429] * LIMIT
    )


def test_a_name_with_nul_is_counted(person: User) -> None:
    for number in range(LIMIT):
        assert by_basic("a\x00b", "wrong", address(number)) == 401
    assert by_basic("a\x00b", "wrong", address(99)) == 429


def test_codes_are_counted_with_passwords(person: User) -> None:
    TOTP.activate(person, "JBSWY3DPEHPK3PXP")
    for number in range(LIMIT - 1):
        client = Client(REMOTE_ADDR=address(number))
        body = {"login": "fin", "password": PASSWORD}
        assert client.post("/accounts/login/", body).status_code == 302
        url = reverse("mfa_authenticate")
        assert client.post(url, {"code": "000000"}).status_code == 200

    assert by_contract_a("fin", PASSWORD, address(98)) == 401  # right, but for the code
    assert by_page("fin", PASSWORD, address(99)) == 429
    refused = client.post(url, {"code": "000000"})
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 60


def test_codes_that_confirm_a_login_again_are_counted(person: User) -> None:
    TOTP.activate(person, "JBSWY3DPEHPK3PXP")
    client = logged_in(person, address(1))
    url = reverse("mfa_reauthenticate")
    for _ in range(LIMIT):
        assert client.post(url, {"code": "000000"}).status_code == 200

    assert client.post(url, {"code": "000000"}).status_code == 429
    assert by_page("fin", PASSWORD, address(99)) == 429


# --- waits ------------------------------------------------------------------------


def wait_of(user: User | None, at: str = "203.0.113.1", name: str = "") -> int:
    """Fail once; return the seconds to wait, 0 if the attempt was checked."""
    try:
        with counted_attempt(request_from(at), user, name):
            return 0
    except RateLimited as error:
        return error.retry_after


@pytest.mark.parametrize(
    ("further", "minutes"), [(0, 1), (1, 2), (3, 8), (4, 15), (80, 15)]
)
def test_each_further_failure_doubles_the_wait(
    person: User, further: int, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "FIRST_WAIT", timedelta())
        for number in range(LIMIT + further - 1):
            assert wait_of(person, address(number)) == 0
    wait_of(person, address(200))

    assert minutes * 60 - 5 <= wait_of(person, address(201)) <= minutes * 60


def test_a_refused_attempt_does_not_prolong_the_wait(person: User) -> None:
    for number in range(LIMIT):
        wait_of(person, address(number))

    waits = [wait_of(person, address(number)) for number in range(30)]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] <= 60


def test_parallel_guesses_get_no_more_than_the_limit(person: User) -> None:
    def begin(number: int) -> bool:
        try:
            return bool(attempts._begin(f"account:{person.pk}", address(number)))
        except RateLimited:
            return False

    with ThreadPoolExecutor(12) as pool:  # whose threads must not write rows
        assert sum(pool.map(begin, range(60))) == LIMIT


def test_a_success_forgives_no_failure_of_other_addresses(person: User) -> None:
    for number in range(LIMIT - 1):
        wait_of(person, address(number))
    assert log_in(request_from(address(50)), "fin", PASSWORD) == person

    assert wait_of(person, address(60)) == 0
    assert wait_of(person, address(61)) > 0


def test_strangers_cannot_lock_out_an_address_that_logged_in_before(
    person: User,
) -> None:
    assert by_page("fin", PASSWORD, "203.0.113.7") == 302
    for number in range(LIMIT + 1):
        wait_of(person, address(number))

    assert by_page("fin", PASSWORD, address(99)) == 429
    assert by_page("fin", PASSWORD, "203.0.113.7") == 302
    assert by_contract_c("fin", PASSWORD, "203.0.113.7") == 200
    for _ in range(LIMIT):
        assert by_contract_c("fin", "wrong", "203.0.113.7") == 401
    assert by_contract_c("fin", PASSWORD, "203.0.113.7") == 429


def test_a_reset_password_opens_the_way_for_its_address(
    person: User, mailoutbox: Any
) -> None:
    for number in range(LIMIT):
        wait_of(person, address(number))
    client = Client(REMOTE_ADDR="203.0.113.9")
    client.post("/accounts/password/reset/", {"email": person.email})
    send_email(AccountEmail.objects.get(kind="password_reset").pk)
    path = mailoutbox[0].body.split("/accounts/", 1)[1].split()[0]
    form = client.get(f"/accounts/{path}")["Location"]
    new = "another one entirely"
    client.post(form, {"password1": new, "password2": new})

    assert by_page("fin", new, "203.0.113.9") == 302
    assert by_page("fin", new, address(99)) == 429


def test_an_address_waits_after_guesses_at_many_accounts() -> None:
    for number in range(attempts.ADDRESS_FAILURES):
        assert wait_of(None, "2001:db8::1", f"name-{number}") == 0

    assert wait_of(None, "2001:db8::ffff:2", "another") > 0
    assert wait_of(None, "2001:db8:0:1::1", "another") == 0


@pytest.mark.usefixtures("without_valkey")
@pytest.mark.parametrize("log_in_by", [by_page, by_contract_c, by_contract_a, by_basic])
def test_nothing_is_checked_while_attempts_cannot_be_counted(
    person: User, log_in_by: Any
) -> None:
    assert log_in_by("fin", PASSWORD, address(1)) == 503


# --- time -------------------------------------------------------------------------


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every password that is hashed."""
    hasher = type(hashers.get_hasher())
    encode, seen = hasher.encode, []

    def counted(self: Any, password: str, *args: Any) -> Any:
        seen.append(password)
        return encode(self, password, *args)

    monkeypatch.setattr(hasher, "encode", counted)
    return seen


@pytest.mark.parametrize("log_in_by", [by_page, by_contract_c, by_basic])
@pytest.mark.parametrize(
    "case", ["right", "wrong", "unknown", "inactive", "email", "no password", "no code"]
)
def test_every_answer_takes_one_hash(
    person: User, hashes: list[str], log_in_by: Any, case: str
) -> None:
    if case == "no code":
        TOTP.activate(person, "JBSWY3DPEHPK3PXP")
    if case == "no password":
        person.set_unusable_password()
    person.is_active = case != "inactive"
    person.save()
    hashes.clear()
    name = {"unknown": "nobody", "email": "fin@example.com"}.get(case, "fin")

    log_in_by(name, "wrong" if case == "wrong" else PASSWORD, address(1))

    assert len(hashes) == 1


def test_an_inactive_account_with_the_right_password_looks_wrong(person: User) -> None:
    person.is_active = False
    person.save()

    assert by_page("fin", PASSWORD, address(1)) == by_page("fin", "no", address(2))


# --- keys -------------------------------------------------------------------------


def ask(org: Organization, key: str, at: str = "203.0.113.1") -> Any:
    url, headers = f"/api/v1/organizations/{org.pk}", {"x-api-key": key}
    return Client(REMOTE_ADDR=at).get(url, headers=headers)


def test_wrong_keys_are_limited_per_address_and_right_ones_are_not(
    org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WRONG_KEYS_PER_MINUTE", 2)
    key = make_key(org.white_label, "organizations:read")
    assert [ask(org, f"ei_wrong{n}").status_code for n in range(3)] == [401, 401, 429]
    assert 0 < int(ask(org, "ei_wrong")["Retry-After"]) <= 60
    token = Client().get(
        f"/api/v1/organizations/{org.pk}",
        headers={"authorization": "Bearer a.b.c"},
        REMOTE_ADDR="203.0.113.1",
    )
    assert token.status_code == 429
    assert ask(org, key).status_code == 200
    assert ask(org, "ei_wrong", "203.0.113.2").status_code == 401


@pytest.mark.usefixtures("without_valkey")
def test_wrong_keys_are_refused_without_valkey(org: Organization) -> None:
    assert ask(org, "ei_wrong").status_code == 401


# --- next -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "//evil.example", "///evil.example", "/\\evil.example", "\\/evil.example",
        "https://evil.example", "HTTPS:evil.example", "https:/evil.example",
        "@evil.example", "evil.example", "javascript:alert(1)", "data:text/html,x",
        "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example",
        "http://testserver/", "http://testserver@evil.example/", "/ /x", "/\x00", "",
    ],
)  # fmt: skip
def test_a_login_leads_only_to_our_own_pages(person: User, url: str) -> None:
    body = {"login": "fin", "password": PASSWORD, "next": url}

    assert Client().post("/accounts/login/", body)["Location"] == "/"


def test_a_login_leads_to_the_page_that_was_asked_for(person: User) -> None:
    page = "/organizations/?q=a%20b#x"
    body = {"login": "fin", "password": PASSWORD, "next": page}

    assert Client().post("/accounts/login/", body)["Location"] == page
