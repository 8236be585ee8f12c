"""Accounts: the last superuser stays, and disabled ones end their logins for good."""

from functools import partial

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from orgs.access import issue_token
from orgs.commands.accounts import LastSuperuser, keep_last_superuser
from orgs.models import Organization, User
from tests.factories import make_user
from tests.support.parallel import together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
DEMOTIONS = [{"is_superuser": False}, {"is_active": False}, {"is_staff": False}]


@pytest.fixture
def root() -> User:
    make_user("former", is_superuser=True)
    User.objects.create(username="disabled", is_superuser=True, is_active=False)
    root = make_user("root", is_superuser=True)
    User.objects.filter(username="former").update(is_superuser=False)
    return root


@pytest.mark.parametrize("change", DEMOTIONS, ids=lambda change: next(iter(change)))
def test_the_last_superuser_cannot_be_demoted(
    root: User, change: dict[str, bool]
) -> None:
    with pytest.raises(LastSuperuser), keep_last_superuser():
        User.objects.filter(pk=root.pk).update(**change)


def test_the_last_superuser_cannot_be_deleted(root: User) -> None:
    with pytest.raises(IntegrityError, match="last_superuser"), transaction.atomic():
        root.delete()


def test_all_superusers_cannot_be_demoted_at_once(root: User) -> None:
    make_user("second", is_superuser=True)

    with pytest.raises(LastSuperuser), keep_last_superuser():
        User.objects.update(is_superuser=False)


def test_one_of_two_superusers_can_be_demoted(root: User) -> None:
    make_user("second", is_superuser=True)

    User.objects.filter(pk=root.pk).update(is_superuser=False)

    assert User.objects.get(is_superuser=True, is_active=True).username == "second"


@pytest.mark.parametrize("field", ["is_superuser", "is_active", "is_staff"])
def test_the_form_says_why_the_last_superuser_stays(root: User, field: str) -> None:
    client = Client()
    client.force_login(root)
    flags = dict.fromkeys({"is_superuser", "is_active", "is_staff"} - {field}, "on")
    data = {
        **flags,
        "username": "root",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }

    answer = client.post(reverse("admin:orgs_user_change", args=[root.pk]), data)

    assert answer.status_code == 200
    assert answer.context["errors"]
    root.refresh_from_db()
    assert getattr(root, field)


def test_a_disabled_account_that_is_enabled_again_has_no_old_login(
    org: Organization,
) -> None:
    person = make_user("ada", "operator")
    session = Client()
    session.force_login(person)
    bearer = {"authorization": f"Bearer {issue_token(person)}"}
    url = f"/api/v1/organizations/{org.pk}"
    assert [
        session.get(url).status_code,
        Client(headers=bearer).get(url).status_code,
    ] == [200, 200]

    stale = User.objects.get(pk=person.pk)
    for is_active in (False, True):
        User.objects.filter(pk=person.pk).update(is_active=is_active)
    stale.save()

    assert session.get(url).status_code == 401
    assert Client(headers=bearer).get(url).status_code == 401


@pytest.mark.usefixtures("committed")
def test_two_superusers_cannot_demote_each_other_at_once() -> None:
    ids = [make_user(name, is_superuser=True).pk for name in ("a", "b")]

    def demote(user_id: int) -> bool:
        try:
            with keep_last_superuser():
                User.objects.filter(pk=user_id).update(is_superuser=False)
        except LastSuperuser:
            return False
        return True

    assert sorted(together(partial(demote, id_) for id_ in ids)) == [False, True]
    assert User.objects.filter(is_superuser=True).count() == 1


def test_an_installation_without_accounts_says_how_to_create_the_first() -> None:
    User.objects.filter(is_superuser=False).delete()
    assert not User.objects.exists()
    page = Client().get("/accounts/login/").content.decode()
    assert "data-first-account" in page
    assert "createsuperuser" in page

    make_user("first")
    page = Client().get("/accounts/login/").content.decode()
    assert "data-first-account" not in page
