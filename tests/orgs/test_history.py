"""History: every change of a row, with its author and the previous values."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.urls import reverse
from pghistory.models import Event

from billing.ledger.commands.limits import change_limit
from orgs.commands.organizations import touch_organization
from orgs.models import Organization, WhiteLabel
from orgs.queries.history import Change, list_changes
from tests.factories import make_key, make_organization, make_rate, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


def newest(org: Organization) -> Change:
    return list_changes(org.id)[0]


def fields(change: Change) -> dict[str, tuple[str, str]]:
    return {field.name: (field.before, field.after) for field in change.fields}


def test_an_edit_in_the_admin_records_user_request_and_old_values(
    org: Organization, client: Client
) -> None:
    client.force_login(make_user("ann", "support"))
    url = reverse("admin:orgs_organization_change", args=[org.id])
    before = client.get(url).context["adminform"].form.initial
    data = {name: "" if value is None else value for name, value in before.items()}
    inline = {"entitlements-TOTAL_FORMS": "0", "entitlements-INITIAL_FORMS": "0"}
    data |= {"experiments": "", **inline, "deleted_at_0": "", "deleted_at_1": ""}

    answer = client.post(
        url,
        {**data, "name": "Neue Name", "rate_limit": "70"},
        headers={"x-request-id": "req-4711"},
    )

    assert answer.status_code == 302, answer.context["errors"]
    change = newest(org)
    assert (change.verb, change.user) == ("changed", "ann")
    assert change.request_id == answer["X-Request-ID"]
    assert change.metadata["client_request_id"] == "req-4711"
    assert fields(change) == {
        "name": ("Org-7", "Neue Name"),
        "rate limit": ("\u2013", "70"),
    }
    page = client.get(reverse("orgs:history", args=[org.id])).content.decode()
    assert "Neue Name" in page
    assert "Org-7" in page
    assert "ann" in page
    assert change.request_id in page


def test_bulk_writes_and_raw_sql_are_recorded_too(org: Organization) -> None:
    Organization.objects.filter(pk=org.pk).update(name="By a query set")
    assert fields(newest(org)) == {"name": ("Org-7", "By a query set")}

    with connection.cursor() as cursor:
        cursor.execute(
            "update orgs_organization set is_active = false where id = %s", [org.pk]
        )
    change = newest(org)
    assert fields(change) == {"is active": ("True", "False")}
    assert change.user == change.request_id == ""


def test_related_rows_are_in_the_history_of_their_organization_only(
    acme: WhiteLabel, org: Organization
) -> None:
    other = make_organization(
        acme, "org-9", members=[{"external_id": "m"}], entitlements={"users": 5}
    )
    change_limit(other.id, kind="soft", amount=None)
    make_rate(acme, "7", organization=other)
    make_key(acme, "usage:write", organization=other)

    changes = {(change.model, change.verb) for change in list_changes(other.id)}

    assert changes == {
        ("organization", "added"),
        ("member", "added"),
        ("entitlements", "added"),
        ("spending limit", "added"),
        ("rate", "added"),
        ("API key", "added"),
    }
    assert {change.model for change in list_changes(org.id)} == {"organization"}


def test_a_removed_row_leaves_its_last_version(org: Organization) -> None:
    make_organization(org.white_label, "org-7", members=[{"external_id": "m"}])
    org.members.all().delete()

    changes = [(change.model, change.verb) for change in list_changes(org.id)]
    assert ("member", "removed") in changes


def test_history_contains_no_secrets() -> None:
    columns = {
        (model._meta.db_table, field.name)
        for model in apps.get_models()
        if issubclass(model, Event)
        for field in model._meta.get_fields()
    }
    secret = ("hash", "password", "token", "secret", "last_login")

    assert len({table for table, _ in columns}) > 10
    assert not {c for c in columns if any(word in c[1] for word in secret)}


def test_the_text_of_a_key_is_not_in_the_database(acme: WhiteLabel) -> None:
    text = make_key(acme, "usage:write")

    with connection.cursor() as cursor:
        cursor.execute("select pgh_id::text || start from orgs_apikeyevent")
        [(start,)] = cursor.fetchall()
        cursor.execute("select row_to_json(k)::text from orgs_apikey k")
        [(row,)] = cursor.fetchall()

    assert text[:10] in start
    assert text not in row


def test_a_new_instant_of_the_last_change_is_no_change(org: Organization) -> None:
    changes = org.events.count()  # type: ignore[attr-defined]

    touch_organization(org.pk)

    assert org.events.count() == changes  # type: ignore[attr-defined]


def test_roles_and_permissions_of_a_person_are_in_the_history(client: Client) -> None:
    ann = make_user("ann", "viewer")
    client.force_login(make_user("root", is_superuser=True))
    ann.groups.set(Group.objects.filter(name="operator"))
    right = Permission.objects.get(codename="view_user")
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into orgs_user_user_permissions (user_id, permission_id)"
            " values (%s, %s)",
            [ann.pk, right.pk],
        )

    Group.objects.get(name="viewer").permissions.add(right)

    answer = client.get(reverse("orgs:fleet_history"), {"kind": "accounts"})
    texts = {entry.text for entry in answer.context["entries"]}
    assert {
        f"Role viewer: permission {right} added",
        "Account ann: role operator added",
        "Account ann: role viewer removed",
        f"Account ann: permission {right} added",
    } <= texts
