"""Facts that become events: once, in their transaction, with the API's figures."""

from datetime import timedelta
from io import StringIO
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from billing.access.commands.refusals import record_refusals
from billing.alerts.commands.recipients import snooze
from billing.ledger.commands.periods import close_period_manually
from billing.models import OutgoingEvent, WebhookDelivery, WebhookEndpoint
from billing.signals import access_changed
from billing.webhooks.commands.endpoints import disable_endpoint, rotate_secret
from billing.webhooks.commands.retention import delete_old_events
from billing.webhooks.event_types import EVENT_TYPES
from billing.webhooks.formats.secrets import read_old_secret, read_secret
from billing.webhooks.schemas.event_data import sample_of, schema_of
from orgs.commands.editing import (
    change_organization,
    delete_organization,
    restore_organization,
    set_entitlements,
)
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_key, make_organization, make_rate
from tests.support.alerts import evaluate, give, limit, subscribe, use
from tests.support.webhooks import (
    data_of,
    deliveries,
    event_types,
    events,
    make_endpoint,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


def test_a_limit_is_reported_once_and_its_end_once(
    acme: WhiteLabel, org: Organization
) -> None:
    make_endpoint(acme, "limit.soft_reached", "limit.soft_reached.resolved")
    make_rate(acme, "2")
    limit(org, "soft", "20")
    use(acme, 11)

    evaluate(org)
    evaluate(org)
    limit(org, "soft", "100")
    evaluate(org)
    evaluate(org)

    began, ended = events()
    assert (began.type, ended.type) == (
        "limit.soft_reached",
        "limit.soft_reached.resolved",
    )
    data = data_of(began)
    assert (data["value"], data["limit"], data["percent"]) == (22, 20, 110)
    assert data["organization"]["external_id"] == "org-7"
    assert data_of(ended)["event_id"] == began.key
    assert (data_of(ended)["value"], data_of(ended)["limit"]) == (22, 100)
    assert began.object_key == ended.object_key


def test_a_hard_limit_is_reported_with_the_access_that_the_api_returns(
    acme: WhiteLabel, org: Organization
) -> None:
    make_endpoint(acme, "limit.hard_reached", "access.changed")
    make_rate(acme, "2")
    limit(org, "hard", "20")
    use(acme, 11)
    evaluate(org)

    key = make_key(acme, "organizations:read")
    url = f"/api/v1/organizations/{org.pk}/access"
    body = Client(headers={"x-api-key": key}).get(url).json()
    changed = next(event for event in events() if event.type == "access.changed")
    assert event_types().count("access.changed") == 1
    assert data_of(changed)["allowed"] is False
    assert data_of(changed)["reasons"] == body["reasons"]

    limit(org, "hard", "50")
    evaluate(org)

    assert data_of(events("access.changed")[-1])["allowed"] is True


def test_usage_without_a_price_and_its_end(acme: WhiteLabel, org: Organization) -> None:
    make_endpoint(acme, "usage.unpriced", "usage.unpriced.resolved")
    use(acme, 5)
    evaluate(org)

    [began] = events()
    data = data_of(began)
    assert (data["product"], data["meter"], data["value"]) == ("gpt", "requests", 5)

    close_period_manually(org.pk, by="ann", note="x", bills_without_unpriced=True)
    evaluate(org)

    assert event_types() == ["usage.unpriced", "usage.unpriced.resolved"]


def test_a_free_balance_and_a_payment_have_an_end(
    acme: WhiteLabel, org: Organization
) -> None:
    make_endpoint(acme)
    make_rate(acme, "2")
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=30))
    give(org, "25")
    use(acme, 11)  # 22 of 25
    evaluate(org)
    use(acme, 2, "e-2")
    evaluate(org)
    give(org, "100")
    org.subscriptions.update(status="past_due")
    evaluate(org)
    org.subscriptions.update(status="active")
    evaluate(org)

    types = [key for key in event_types() if key.startswith(("credit", "payment"))]
    assert types == [
        "credit.low",
        "credit.low",
        "payment.failed",
        "credit.low.resolved",
        "payment.failed.resolved",
    ]


def test_a_closed_period_is_reported_with_its_cost(
    acme: WhiteLabel, org: Organization
) -> None:
    make_endpoint(acme, "invoice.closed")
    make_rate(acme, "2")
    use(acme, 11)
    close_period_manually(org.pk, by="ann", note="moved")

    [event] = events()
    data = data_of(event)
    assert (data["cost"], data["charges"], data["period"]["number"]) == (22, [], 1)
    assert data["period"]["closed_by"] == "ann"


def test_an_organization_is_reported_as_the_api_returns_it(acme: WhiteLabel) -> None:
    make_endpoint(acme)
    org = make_organization(acme, "org-8")
    change_organization(org, {"name": "Eight"}, {"users": 7})
    change_organization(org, {"name": "Eight"}, {"users": 7})  # nothing changes
    set_entitlements(org, {"projects": 3})
    make_organization(acme, "org-8", name="Acht")  # a load
    delete_organization(org)
    delete_organization(org)

    kinds = ["created", *["updated"] * 3, "deleted"]
    reported = [key for key in event_types() if key.startswith("organization")]
    assert reported == [f"organization.{kind}" for kind in kinds]

    restore_organization(org)
    restore_organization(org)
    key = make_key(acme, "organizations:read")
    url = f"/api/v1/organizations/{org.pk}"
    body = Client(headers={"x-api-key": key}).get(url).json()
    [restored] = events("organization.restored")
    event_body = data_of(restored)["organization"]
    assert event_body.keys() == body.keys()
    assert {k for k in body if body[k] != event_body[k]} <= {"updated_at"}  # digits
    changes = [data_of(event)["changed"] for event in events("organization.updated")]
    assert changes == [["entitlements", "name"], ["entitlements"], ["name"]]


@pytest.mark.parametrize("has_endpoint", [True, False])
def test_only_endpoints_of_the_organization_or_white_label_get_it(
    has_endpoint: bool, acme: WhiteLabel, org: Organization
) -> None:
    other = make_organization(acme, "org-9")
    decoy = WhiteLabel.objects.get(slug="decoy")
    strangers = [
        make_endpoint(acme, organization=other),
        make_endpoint(decoy),
        make_endpoint(acme, "trial.ending"),
    ]
    owner = make_endpoint(acme, organization=org) if has_endpoint else None
    change_organization(org, {"name": "Seven"})

    assert all(not deliveries(endpoint) for endpoint in strangers)
    assert OutgoingEvent.objects.count() == (1 if has_endpoint else 0)
    assert WebhookDelivery.objects.filter(endpoint=owner).count() == has_endpoint


def test_a_disabled_endpoint_gets_no_delivery_but_its_event_is_stored(
    acme: WhiteLabel, org: Organization
) -> None:
    endpoint = make_endpoint(acme)
    change_organization(org, {"name": "Seven"})
    disable_endpoint(endpoint)
    change_organization(org, {"name": "Sieben"})

    assert [row.state for row in deliveries(endpoint)] == ["canceled"]
    assert OutgoingEvent.objects.count() == 2


def test_an_event_is_written_with_its_fact_or_not_at_all(
    acme: WhiteLabel, org: Organization
) -> None:
    make_endpoint(acme)
    with transaction.atomic():
        change_organization(org, {"name": "Seven"})
        assert events()
        transaction.set_rollback(True)

    assert events() == []


def test_without_an_endpoint_each_fact_costs_one_statement_more(
    org: Organization, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(1) as captured:
        access_changed.send(Organization, organization_ids=[org.pk], now=NOW)
    assert len(captured) == 1


def test_a_snoozed_alert_reaches_programs_but_not_channels(
    acme: WhiteLabel, org: Organization
) -> None:
    program = make_endpoint(acme, "limit.soft_reached")
    channel = make_endpoint(
        acme, "limit.soft_reached", kind="slack", url="https://hooks.slack.com/T0/B0"
    )
    make_rate(acme, "2")
    limit(org, "soft", "20")
    snooze(org.pk, until=NOW + timedelta(days=1))
    use(acme, 11)
    evaluate(org)

    assert len(deliveries(program)) == 1
    assert deliveries(channel) == []


def test_old_events_are_deleted_unless_they_are_being_delivered(
    acme: WhiteLabel, org: Organization
) -> None:
    endpoint = make_endpoint(acme)
    for name in "ABC":
        change_organization(org, {"name": name})
    old, waiting, _ = events()
    ids = [old.pk, waiting.pk]
    OutgoingEvent.objects.filter(pk__in=ids).update(
        occurred_at=NOW - timedelta(days=31)
    )
    WebhookDelivery.objects.filter(event=old).update(state="done", finished_at=NOW)

    assert delete_old_events() == 1
    assert [row.event_id for row in deliveries(endpoint)] == [
        waiting.pk,
        events()[-1].pk,
    ]


@pytest.mark.parametrize("key", sorted(EVENT_TYPES))
def test_each_sample_has_the_shape_of_its_schema(key: str) -> None:
    sample = sample_of(key)

    assert set(orjson.loads(orjson.dumps(sample))) == set(schema_of(key).model_fields)
    schema_of(key).model_validate(sample)


def test_payloads_have_the_shape_of_their_schemas(
    acme: WhiteLabel, org: Organization
) -> None:
    make_endpoint(acme)
    make_rate(acme, "2")
    limit(org, "soft", "10")
    limit(org, "hard", "20")
    use(acme, 11)
    use(acme, 3, "e-2", product="new")
    evaluate(org)
    delete_organization(org)
    record_refusals([org.pk], now=timezone.now())

    assert len(set(event_types())) == 5
    for event in events():
        data, schema = data_of(event), schema_of(event.type)
        assert set(data) == set(schema.model_fields)
        schema.model_validate(data)


def test_secrets_are_encrypted_and_bound_to_their_row(acme: WhiteLabel) -> None:
    endpoint = make_endpoint(acme)
    stored = WebhookEndpoint.objects.get(pk=endpoint.pk)

    assert b"whsec_" not in bytes(stored.secret)


def test_rotating_the_encryption_key_keeps_all_secrets(
    acme: WhiteLabel, settings: Any
) -> None:
    endpoint = make_endpoint(acme)
    first = read_secret(endpoint)
    rotated, second = rotate_secret(endpoint)
    settings.ENCRYPTION_KEYS = {"2": bytes(range(32)), **settings.ENCRYPTION_KEYS}
    call_command("rotate_secrets", "--batch=1", stdout=StringIO())

    settings.ENCRYPTION_KEYS = {"2": bytes(range(32))}  # the old key is dropped
    stored = WebhookEndpoint.objects.get(pk=endpoint.pk)
    assert read_secret(stored) == second
    assert read_old_secret(stored, now=rotated.set_at) == [first]
