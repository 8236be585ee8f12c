"""The page that restores, activates or deactivates an organization."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.access.queries.facts import list_refusals
from billing.models import RefusalReason
from orgs.models import Organization, WhiteLabel
from orgs.queries.history import list_changes
from tests.factories import NOW, delete, make_user
from tests.support.alerts import subscribe

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
NOTE = "contract signed"


def post(organization: Organization, role: str = "support", **data: Any) -> Any:
    label = data.pop("label", organization.white_label)
    client = Client()
    client.force_login(make_user(f"{role}-{label.slug}", role, white_label=label))
    url = reverse("billing:access", args=[organization.pk])
    return client.post(url, {"note": NOTE, **data})


def refused(organization: Organization) -> list[str]:
    return [row.code for row in list_refusals(organization.pk, now=NOW)]


@pytest.fixture
def inactive(org: Organization) -> Organization:
    Organization.objects.filter(pk=org.pk).update(is_active=False)
    return org


def test_activating_is_previewed_then_made(inactive: Organization) -> None:
    preview = post(inactive, change="activate")
    assert 'data-preview="allowed"' in preview.content.decode()
    assert refused(inactive) == ["inactive"]

    answer = post(inactive, role="operator", change="activate", step="apply")

    assert answer.status_code == 302
    assert refused(inactive) == []
    [change] = list_changes(inactive.pk, models=["organization"])[:1]
    assert (change.user, change.reason) == ("operator-acme", NOTE)


def test_the_preview_has_the_reasons_that_remain(inactive: Organization) -> None:
    subscribe(inactive, "paused", pause_reason="asked")

    preview = post(inactive, change="activate")

    assert preview.context["codes_after"] == ["paused"]
    assert preview.context["remaining"] == ["The subscription is paused: asked."]


def test_restoring_keeps_an_inactive_organization_refused(
    inactive: Organization,
) -> None:
    delete(inactive)

    preview = post(inactive, change="restore")
    post(inactive, role="operator", change="restore", step="apply")

    assert preview.context["codes_after"] == ["inactive"]
    assert refused(inactive) == ["inactive"]


def test_deactivating_refuses_and_can_be_undone(org: Organization) -> None:
    preview = post(org, change="deactivate")
    post(org, role="operator", change="deactivate", step="apply")
    assert (preview.context["codes_after"], refused(org)) == (["inactive"],) * 2

    label = org.white_label
    post(org, role="finance", label=label, change="activate", step="apply")
    assert refused(org) == ["inactive"]
    client = Client()
    client.force_login(make_user("op", "operator", white_label=label))
    url = reverse("billing:access", args=[org.pk])
    client.post(url, {"note": NOTE, "change": "activate", "step": "apply"})

    assert refused(org) == []
    [reason] = RefusalReason.objects.all()
    assert (reason.lifting, reason.lifted_by, reason.note) == ("activated", "op", NOTE)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"change": "activate", "note": ""}, 422),
        ({"change": "explode"}, 422),
        ({"change": "restore"}, 409),
    ],
)
def test_bad_input_changes_nothing(
    inactive: Organization, data: dict[str, str], status: int
) -> None:
    assert post(inactive, **data, step="apply").status_code == status
    assert refused(inactive) == ["inactive"]


def test_only_roles_of_the_white_label_change_it(
    acme: WhiteLabel, inactive: Organization
) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    sent: dict[str, Any] = {"change": "activate", "step": "apply"}

    assert post(inactive, "viewer", **sent).status_code == 403
    assert post(inactive, "operator", label=decoy, **sent).status_code == 404
    assert refused(inactive) == ["inactive"]
