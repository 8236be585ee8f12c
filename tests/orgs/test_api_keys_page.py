"""API keys page: keys are shown once, rotated with a week of overlap, and revoked."""

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from orgs.commands.keys import revoke_api_key, rotate_api_key
from orgs.errors import Conflict, DomainError
from orgs.models import ApiKey, Organization, WhiteLabel
from tests.factories import NOW, make_key, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
URL = "/api-keys/"


@pytest.fixture
def operator(acme: WhiteLabel) -> Client:
    client = Client()
    client.force_login(make_user("op", "operator", white_label=acme))
    return client


def calls(org: Organization, key: str) -> int:
    url = f"/api/v1/organizations/{org.pk}"
    return Client(headers={"x-api-key": key}).get(url).status_code


def make(client: Client, acme: WhiteLabel, **more: object) -> str:
    data = {"white_label": acme.pk, "name": "ci", "scopes": ["organizations:read"]}
    html = client.post(URL, data | more, follow=True).content.decode()
    match = re.search(r"ei_\w{40}", html)
    return match.group() if match else ""


def test_a_key_is_created_shown_once_and_works(
    operator: Client, acme: WhiteLabel, org: Organization
) -> None:
    key = make(operator, acme, organization="org-7")

    assert calls(org, key) == 200
    page = operator.get(URL)
    assert key not in page.content.decode()
    assert key[:10] in page.content.decode()
    assert page["Cache-Control"] == "private, no-store"
    made = ApiKey.objects.get(name="ci")
    assert (made.organization, made.created_by and made.created_by.username) == (
        org,
        "op",
    )


def test_a_reload_neither_repeats_the_key_nor_makes_another(
    operator: Client, acme: WhiteLabel
) -> None:
    data = {"white_label": acme.pk, "name": "ci", "scopes": ["organizations:read"]}

    answer = operator.post(URL, data)
    shown, reloaded = (operator.get(answer["Location"]) for _ in range(2))

    key = shown.context["text"]
    assert answer.status_code == 302
    assert key not in str(dict(operator.session))
    assert key not in reloaded.content.decode()
    assert ApiKey.objects.count() == 1


def test_both_keys_work_for_a_week_after_a_rotation(
    operator: Client, acme: WhiteLabel, org: Organization
) -> None:
    old = make_key(acme, "organizations:read")
    row = ApiKey.objects.get()

    html = operator.post(f"{URL}{row.pk}/rotate/", follow=True).content.decode()

    new = re.search(r"ei_\w{40}", html)
    assert new
    assert (calls(org, old), calls(org, new.group())) == (200, 200)
    row.refresh_from_db()
    assert row.expires_at == NOW + timedelta(days=7)


def test_a_rotation_keeps_the_expiry(operator: Client, acme: WhiteLabel) -> None:
    ends_at = NOW + timedelta(days=30)
    make_key(acme, "organizations:read", expires_at=ends_at)
    old = ApiKey.objects.get()

    operator.post(f"{URL}{old.pk}/rotate/")

    new = ApiKey.objects.get(replaces=old)
    assert (new.name, new.scopes, new.expires_at) == (old.name, old.scopes, ends_at)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"revoked_at": NOW}, "key_ended"),
        ({"expires_at": NOW}, "key_ended"),
        ({}, "key_rotated"),
    ],
)
def test_a_key_that_ended_or_was_rotated_is_not_rotated(
    acme: WhiteLabel, change: dict[str, object], code: str
) -> None:
    make_key(acme, "organizations:read")
    key = ApiKey.objects.get()
    if change:
        ApiKey.objects.update(**change)
    else:
        rotate_api_key(key)
    count = ApiKey.objects.count()

    with pytest.raises(Conflict) as refused:
        rotate_api_key(key)

    assert refused.value.code == code
    assert ApiKey.objects.count() == count


def test_a_refused_rotation_is_a_page_with_the_reason(
    operator: Client, acme: WhiteLabel
) -> None:
    make_key(acme, "organizations:read")
    key = ApiKey.objects.get()
    revoke_api_key(key)

    assert operator.post(f"{URL}{key.pk}/rotate/").status_code == 409
    [row] = operator.get(URL).context["rows"]
    assert row.has_ended


def test_a_key_cannot_begin_with_an_expiry_that_has_passed(acme: WhiteLabel) -> None:
    with pytest.raises(DomainError) as refused:
        make_key(acme, "organizations:read", expires_at=NOW)

    assert refused.value.code == "invalid_expiry"


# What a holder of the application's database role may try, and what refuses it.
REVIVALS = [
    ("revoked_at = null", "api_key_revocation_is_final"),
    ("revoked_at = revoked_at + interval '1 day'", "api_key_revocation_is_final"),
    ("expires_at = null", "api_key_expiry_never_later"),
    ("expires_at = expires_at + interval '1 day'", "api_key_expiry_never_later"),
    ("scopes = scopes || '{billing:write}'", "api_key_scopes_never_wider"),
    ("key_hash = '\\x00'", "api_key_identity_is_fixed"),
    ("organization_id = null", "api_key_identity_is_fixed"),
]


@pytest.fixture
def ended(acme: WhiteLabel, org: Organization) -> ApiKey:
    make_key(acme, "billing:read", organization=org, expires_at=NOW + timedelta(1))
    revoke_api_key(ApiKey.objects.get())
    return ApiKey.objects.get()


@pytest.mark.parametrize(("change", "constraint"), REVIVALS)
def test_no_statement_revives_or_widens_a_key(
    ended: ApiKey, change: str, constraint: str
) -> None:
    statement = f"set pgtrigger.ignore = '{{{constraint}}}'; update orgs_apikey set "

    with (
        pytest.raises(IntegrityError, match=constraint),
        connection.cursor() as cursor,
        transaction.atomic(),
    ):
        cursor.execute(statement + change)


def test_no_statement_removes_a_key_so_that_its_text_could_be_used_again(
    ended: ApiKey,
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ended.delete()


def test_a_key_that_ended_can_still_be_renamed(ended: ApiKey) -> None:
    ApiKey.objects.update(name="leaked", expires_at=NOW, scopes=["billing:read"])

    assert ApiKey.objects.get().name == "leaked"


def test_a_revoked_key_is_refused_from_the_next_call(
    operator: Client, acme: WhiteLabel, org: Organization
) -> None:
    key = make_key(acme, "organizations:read")
    assert calls(org, key) == 200

    revoke = f"{URL}{ApiKey.objects.get().pk}/revoke/"
    page = operator.get(revoke).content.decode()
    assert "data-last-used" in page
    assert "from 127.0.0.1" in page
    assert operator.post(revoke).status_code == 422  # without a reason
    assert calls(org, key) == 200

    assert operator.post(revoke, {"reason": "Leaked"}).status_code == 302
    assert calls(org, key) == 401
    history = operator.get("/history/").content.decode()
    assert "Leaked" in history


def test_keys_of_another_white_label_are_not_found(
    operator: Client, acme: WhiteLabel
) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    make_key(decoy, "organizations:read")
    foreign = ApiKey.objects.get()

    assert foreign.start not in operator.get(URL).content.decode()
    assert operator.post(f"{URL}{foreign.pk}/revoke/").status_code == 404
    assert operator.post(f"{URL}{foreign.pk}/rotate/").status_code == 404
    assert make(operator, decoy) == ""
    assert ApiKey.objects.count() == 1


def test_invalid_input_creates_nothing_and_shows_an_error(
    operator: Client, acme: WhiteLabel
) -> None:
    data = {"white_label": acme.pk, "name": "ci", "organization": "nobody"}

    response = operator.post(URL, data)

    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"organization", "scopes"}
    assert not ApiKey.objects.exists()


def test_a_viewer_may_not_see_keys(acme: WhiteLabel) -> None:
    client = Client()
    client.force_login(make_user("v", "viewer", white_label=acme))

    assert client.get(URL).status_code == 403


def test_writes_with_a_session_require_a_csrf_token(org: Organization) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("root", is_superuser=True))

    response = client.delete(f"/api/v1/organizations/{org.pk}")

    assert response.status_code == 403
    assert response.json()["errors"][0]["code"] == "csrf_failed"
    org.refresh_from_db()
    assert org.deleted_at is None
