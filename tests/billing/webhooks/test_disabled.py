"""Endpoints that a fault disabled: an alert with its email, and a reason for action."""

import json

import pytest

from billing.alerts.commands.delivery.content import build_message
from billing.models import Alert, AlertEmail
from billing.models.webhooks import DisabledBecause
from billing.needs_action.queries.reasons import list_reasons
from billing.webhooks.commands.endpoints import disable_endpoint, enable_endpoint
from billing.webhooks.formats.messages import message_of
from billing.webhooks.tasks import notify_disabled
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_user
from tests.support.alerts import evaluate
from tests.support.webhooks import data_of, event_types, events, make_endpoint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
TYPES = ["webhook.disabled", "webhook.disabled.resolved"]


def reasons_of(organization: Organization) -> list[str]:
    rows = list_reasons([organization.pk], now=NOW).values()
    return [reason.kind for row in rows for reason in row.reasons]


@pytest.mark.parametrize("is_shared", [True, False])
def test_people_are_notified_once_and_until_it_is_enabled(
    is_shared: bool, acme: WhiteLabel, org: Organization
) -> None:
    make_user("fin", "finance", white_label=acme)
    make_endpoint(acme, *TYPES)
    owner = acme.owner if is_shared else org
    assert owner is not None
    endpoint = make_endpoint(acme, organization=None if is_shared else org)
    disable_endpoint(endpoint, DisabledBecause.FAILING)
    notify_disabled(endpoint.pk)
    notify_disabled(endpoint.pk)

    [alert] = Alert.objects.all()
    assert (alert.kind, alert.organization) == ("webhook_disabled", owner)
    [email] = AlertEmail.objects.all()
    assert [row.address for row in email.recipients.all()] == ["fin@example.com"]
    assert (
        f"/webhook-endpoints/{endpoint.pk}/"
        in build_message(email, email.recipients.get()).body
    )
    payload = json.loads(events()[0].payload)
    assert message_of(payload).url.endswith(f"/organizations/{owner.pk}/webhooks/")
    assert reasons_of(owner) == ["webhook_disabled"]
    assert event_types() == TYPES[:1]
    assert data_of(events()[0])["alert"]["subject"] == "test"

    enable_endpoint(endpoint)
    evaluate(owner)
    assert reasons_of(owner) == []
    assert event_types() == TYPES


def test_what_a_person_disabled_notifies_no_person(
    acme: WhiteLabel, org: Organization
) -> None:
    endpoint = make_endpoint(acme, organization=org)
    disable_endpoint(endpoint)
    evaluate(org)

    assert not Alert.objects.exists()
    assert reasons_of(org) == []
