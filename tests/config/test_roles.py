"""Roles: present after every migrate, with exactly their permissions."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from config.roles import ROLES

pytestmark = pytest.mark.django_db


def permissions_of(name: str) -> set[str]:
    rows = Group.objects.get(name=name).permissions.select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


def test_a_migrated_database_has_the_roles() -> None:
    assert {name: permissions_of(name) for name in ROLES} == ROLES


def test_a_migrate_removes_permissions_that_were_added_by_hand() -> None:
    viewer = Group.objects.get(name="viewer")
    viewer.permissions.add(Permission.objects.get(codename="delete_organization"))

    call_command("migrate", verbosity=0)

    assert permissions_of("viewer") == ROLES["viewer"]


@pytest.mark.usefixtures("committed")
def test_a_flush_does_not_remove_the_roles() -> None:
    call_command("flush", verbosity=0, interactive=False)

    assert permissions_of("operator") == ROLES["operator"]


def test_no_role_manages_accounts_or_deletes_rows() -> None:
    granted = set[str]().union(*ROLES.values())

    assert not {name for name in granted if ".delete_" in name or ".add_user" in name}
    assert not {name for name in granted if name.split("_")[-1] in {"user", "group"}}
    assert ROLES["viewer"] < ROLES["support"] < ROLES["operator"]
    assert not {name for name in ROLES["viewer"] if ".view_" not in name}
    added = ROLES["finance"] - ROLES["viewer"]
    assert {name for name in added if name.startswith("orgs.")} == {"orgs.add_note"}
