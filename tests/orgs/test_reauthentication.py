"""A recent proof of presence before changes of access, secrets, and money."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import reverse

from billing.ledger.queries.limits import is_large_raise
from billing.models import CreditEntry, SpendingLimit, WebhookEndpoint
from metrics.models import Integration
from orgs.access.sessions import SessionStore
from orgs.models import ApiKey, Organization, User
from tests.factories import NOW, make_key, make_user
from tests.support.alerts import proof

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
PASSWORD = "correct horse battery"
CONFIRM = "/accounts/reauthenticate/"


@pytest.fixture
def person() -> User:
    user = make_user("root", is_superuser=True)
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def client(person: User, frozen: time_machine.Traveller) -> Client:
    """Return a client whose login is too long ago."""
    client = Client()
    client.force_login(person)
    frozen.move_to(NOW + settings.REAUTHENTICATION)
    return client


def confirm(client: Client, url: str, password: str = PASSWORD) -> Any:
    """Confirm at the page that a redirect leads to, and follow where it leads."""
    assert url.startswith(f"{CONFIRM}?next=")
    page = client.get(url)
    assert 'data-confirm="password"' in page.content.decode()
    return client.post(url, {"password": password})


KEY_FORM = {"name": "billing sync", "scopes": ["billing:read"]}


def test_a_form_is_continued_after_the_confirmation(
    client: Client, org: Organization
) -> None:
    form = KEY_FORM | {"white_label": org.white_label_id}
    sent = client.post("/api-keys/", form)
    assert not ApiKey.objects.exists()

    wrong = confirm(client, sent["Location"], "wrong")
    assert (wrong.status_code, ApiKey.objects.count()) == (200, 0)
    confirmed = confirm(client, sent["Location"])
    shown = client.get(confirmed["Location"], follow=True)

    assert ApiKey.objects.get().name == "billing sync"
    assert "data-created-key" in shown.content.decode()
    again = client.get(confirmed["Location"])
    assert (again.status_code, again["Location"]) == (302, "/api-keys/")
    assert ApiKey.objects.count() == 1


def test_the_form_in_the_session_cannot_be_read(
    client: Client, org: Organization
) -> None:
    client.post("/api-keys/", KEY_FORM | {"white_label": org.white_label_id})

    assert "billing sync" not in str(dict(client.session.items()))


def test_a_token_is_for_its_form_and_session_only(
    client: Client, org: Organization, person: User
) -> None:
    form = KEY_FORM | {"white_label": org.white_label_id}
    sent = client.post("/api-keys/", form)["Location"]
    target = confirm(client, sent)["Location"]
    token = target.partition("confirmed=")[2]
    other = Client()
    other.force_login(person)

    for browser, url in [
        (other, target),
        (client, f"/history/?confirmed={token}"),
        (client, "/api-keys/?confirmed=x"),
        (client, f"/api-keys/?new=1&confirmed={token}"),
    ]:
        assert browser.get(url).status_code == 302
    assert not ApiKey.objects.exists()


def test_a_form_waits_only_as_long_as_a_confirmation_counts(
    client: Client, org: Organization, frozen: time_machine.Traveller
) -> None:
    form = KEY_FORM | {"white_label": org.white_label_id}
    sent = client.post("/api-keys/", form)["Location"]
    frozen.shift(settings.REAUTHENTICATION + timedelta(seconds=1))
    target = confirm(client, sent)["Location"]

    assert client.get(target)["Location"] == "/api-keys/"
    assert not ApiKey.objects.exists()


def test_a_fragment_sends_the_whole_browser(client: Client, org: Organization) -> None:
    key = make_key(org.white_label, "billing:read")
    assert key
    url = reverse("orgs:revoke_key", args=[ApiKey.objects.get().pk])
    answer = client.post(url, {"reason": "x"}, headers={"HX-Request": "true"})

    assert (answer.status_code, answer.content) == (401, b"")
    target = confirm(client, answer["HX-Redirect"])["Location"]
    client.get(target)
    assert ApiKey.objects.get().revoked_at is not None


def test_a_login_counts_as_a_confirmation(person: User, org: Organization) -> None:
    client = Client()
    client.post("/accounts/login/", {"login": "root", "password": PASSWORD})

    client.post("/api-keys/", KEY_FORM | {"white_label": org.white_label_id})

    assert ApiKey.objects.count() == 1


def _credit(org: Organization) -> tuple[str, dict[str, Any]]:
    form = {"correction": "credit", "kind": "grant", "amount": "5", "step": "apply"}
    more = {"note": "x", "idempotency_key": "k", "expires_on": ""}
    return reverse("billing:credits", args=[org.pk]), form | more


def _endpoint(org: Organization) -> tuple[str, dict[str, Any]]:
    url = "https://8.8.8.8/hook"
    form: dict[str, Any] = {"name": "x", "url": url, "kind": "webhook", "note": "x"}
    form["event_types"] = ["organization.updated"]
    return reverse("billing:organization_webhooks", args=[org.pk]), form


def _integration(org: Organization) -> tuple[str, dict[str, Any]]:
    url = reverse("billing:edit_integration", args=[org.pk, "prom"])
    form = {"endpoint": "https://8.8.8.8/", "instance_id": "7", "token": "t"}
    named = {f"prom-{name}": value for name, value in (form | {"note": "n"}).items()}
    return url, named | {"step": "save"}


def _void(org: Organization) -> tuple[str, dict[str, Any]]:
    return reverse("billing:void", args=[org.pk]), {"step": "apply"}


def _account(org: Organization) -> tuple[str, dict[str, Any]]:
    user = make_user("victim")
    return f"/admin/orgs/user/{user.pk}/change/", {"username": "victim"}


def _password(org: Organization) -> tuple[str, dict[str, Any]]:
    user = make_user("victim")
    new = {"password1": "another one entirely", "password2": "another one entirely"}
    return f"/admin/orgs/user/{user.pk}/password/", new


def _role(org: Organization) -> tuple[str, dict[str, Any]]:
    return "/admin/auth/group/add/", {"name": "all"}


def _admin_limit(org: Organization) -> tuple[str, dict[str, Any]]:
    form = {"organization": org.pk, "kind": "hard", "amount": "1"}
    return "/admin/billing/spendinglimit/add/", form


def _email(org: Organization) -> tuple[str, dict[str, Any]]:
    form = {"email": "evil@evil.example", "action_add": ""}
    return "/accounts/email/", form


def _totp(org: Organization) -> tuple[str, dict[str, Any]]:
    return "/accounts/2fa/totp/activate/", {"code": "000000"}


@pytest.mark.parametrize(
    "form_of",
    [
        *(_credit, _endpoint, _integration, _void, _account, _password, _role),
        *(_admin_limit, _email, _totp),
    ],
)
def test_changes_need_a_confirmation(
    client: Client, org: Organization, form_of: Any
) -> None:
    url, form = form_of(org)

    answer = client.post(url, form)

    assert answer.status_code == 302, form_of
    assert answer["Location"].startswith(f"{CONFIRM}?next={url}")
    for model in (CreditEntry, WebhookEndpoint, Integration, ApiKey, SpendingLimit):
        assert not model.objects.exists()


def test_a_raise_of_a_large_limit_needs_a_confirmation(
    client: Client, org: Organization
) -> None:
    url = reverse("billing:edit_limits", args=[org.pk])
    form = {"step": "save", "note": "x", "soft": ""}
    first = form | {"hard": "9000"} | proof(client, org, "limits")
    assert client.post(url, first)["Location"].endswith("/alerts/")

    raised = form | {"hard": "10001"} | proof(client, org, "limits")
    refused = client.post(url, raised)

    assert refused["Location"].startswith(CONFIRM)
    assert SpendingLimit.objects.get(kind="hard").amount == 9000


@pytest.mark.parametrize(
    ("old", "new", "is_large"),
    [
        (None, "20000", False),
        ("9000", "10000", False),
        ("9000", "10000.01", True),
        ("20000", "15000", False),
        ("20000", "20000", False),
        ("9000", None, True),
        ("9000", "0", True),
    ],
)
def test_which_raises_are_large(
    org: Organization, old: str | None, new: str | None, is_large: bool
) -> None:
    SpendingLimit.objects.create(organization=org, kind="hard", amount=old)

    hard = Decimal(new) if new is not None else None
    assert is_large_raise(org.pk, hard) is is_large


def test_an_api_write_by_session_gets_a_code(client: Client, org: Organization) -> None:
    url = f"/api/v1/organizations/{org.pk}"
    read = client.get(url)
    answer = client.patch(url, {"rate_limit": 9}, content_type="application/json")

    assert read.status_code == 200
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (403, "reauthentication_required")
    store = SessionStore(client.session.session_key)
    store["confirmed_at"] = (NOW + settings.REAUTHENTICATION).timestamp()
    store.save()
    changed = client.patch(url, {"rate_limit": 9}, content_type="application/json")
    assert changed.status_code == 200


def test_the_admins_own_password_form_is_not_used(client: Client) -> None:
    answer = client.post("/admin/password_change/", {"old_password": "x"})

    assert answer["Location"] == reverse("account_change_password")
