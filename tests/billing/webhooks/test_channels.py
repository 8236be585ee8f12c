"""Messages to Slack, Teams and PagerDuty: of every type, without secrets in logs."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.alerts.commands.recipients import set_recipients
from billing.errors import NotARecipient
from billing.models import OutgoingEvent, WebhookAttempt, WebhookEndpoint
from billing.webhooks.commands.outbox import write_payload
from billing.webhooks.event_types import EVENT_TYPES, allowed_types, is_incident
from billing.webhooks.formats.channels import slack_body
from billing.webhooks.formats.messages import message_of
from billing.webhooks.formats.requests import build_request
from billing.webhooks.schemas.event_data import sample_of
from orgs.models import Organization, WhiteLabel
from orgs.networks import read_networks
from tests.factories import NOW, make_organization, make_rate, make_user
from tests.support.alerts import evaluate, limit, proof, use
from tests.support.receivers import Receiver, answer, receiver
from tests.support.webhooks import deliver, deliveries, make_endpoint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
KEY = "R0UT1NGKEY0123456789"


@pytest.fixture
def server(settings: Any) -> Iterator[Receiver]:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("127.0.0.0/8")
    with receiver(answer(202, b"accepted")) as server:
        yield server


def sample_event(label: WhiteLabel, key: str) -> OutgoingEvent:
    payload = write_payload("evt_1", key, NOW, sample_of(key))
    return OutgoingEvent(
        key="evt_1", type=key, white_label=label, object_key="o", payload=payload
    )


@pytest.mark.parametrize("kind", ["slack", "teams", "pagerduty"])
def test_each_type_has_a_message(kind: str, acme: WhiteLabel) -> None:
    url = "https://hooks.example/in"
    endpoint = make_endpoint(acme, kind=kind, url=url, secret=KEY)
    for key in allowed_types(kind):
        request = build_request(endpoint, sample_event(acme, key), now=NOW)
        body = json.loads(request.body)
        text = json.dumps(body)
        assert "Lumen Legal" in text
        assert KEY not in request.logged_body
        if kind == "pagerduty":
            is_end = key.endswith(".resolved")
            assert body["event_action"] == ("resolve" if is_end else "trigger")
            assert body["routing_key"] == KEY
        elif kind == "teams":
            [attachment] = body["attachments"]
            assert attachment["content"]["type"] == "AdaptiveCard"


@pytest.mark.parametrize(
    ("key", "labels"),
    [
        ("webhook.disabled", {"Organization ID"}),
        ("webhook.disabled.resolved", {"Organization ID"}),
        ("period.reset", {"Cost this period", "Organization ID"}),
    ],
)
def test_a_message_has_no_codes_and_no_costs_of_other_subjects(
    key: str, labels: set[str]
) -> None:
    data = {**sample_of(key), "soft_limit": None, "hard_limit": None}
    message = message_of({"type": key, "data": data})

    assert {label for label, _ in message.figures} == labels


def test_pagerduty_gets_incidents_only() -> None:
    types = allowed_types("pagerduty")

    assert types == [key for key in EVENT_TYPES if is_incident(key)]
    assert "organization.created" not in types
    assert {"access.changed", "limit.hard_reached.resolved"} <= {*types}


def test_an_incident_is_triggered_and_resolved_by_one_key(
    acme: WhiteLabel, org: Organization, server: Receiver
) -> None:
    make_endpoint(acme, kind="pagerduty", url=server.url, secret=KEY)
    make_rate(acme, "2")
    limit(org, "hard", "20")
    use(acme, 11)
    evaluate(org)
    limit(org, "hard", "50")
    evaluate(org, now=NOW + timedelta(minutes=1))
    for _ in range(3):
        deliver()

    bodies = [json.loads(request.body) for request in server.requests]
    actions: dict[str, list[str]] = {}
    for body in bodies:
        actions.setdefault(body["dedup_key"], []).append(body["event_action"])
    assert actions == {
        f"orgdesk:access:{org.pk}": ["trigger", "resolve"],
        f"orgdesk:limit.hard_reached:{org.pk}:": ["trigger", "resolve"],
    }
    assert "$20.00" in bodies[0]["payload"]["summary"] + bodies[1]["payload"]["summary"]
    for attempt in WebhookAttempt.objects.all():
        assert KEY not in attempt.request_body


def test_a_slack_message_neither_links_nor_mentions(acme: WhiteLabel) -> None:
    data = sample_of("organization.created")
    name = "<!channel> & <https://evil.example|click>"
    payload = {
        "type": "organization.created",
        "data": {**data, "organization": {**data["organization"], "name": name}},
    }
    text = json.dumps(slack_body(message_of(payload)))

    assert "<!channel>" not in text
    assert "<https://evil" not in text
    assert "&lt;!channel&gt; &amp;" in text


def test_the_url_of_a_channel_is_a_secret(acme: WhiteLabel) -> None:
    url = "https://hooks.slack.com/services/T0/B0/xyzzy"
    endpoint = make_endpoint(acme, kind="slack", url=url)
    request = build_request(endpoint, sample_event(acme, "limit.hard_reached"), now=NOW)

    assert request.url == url
    assert "xyzzy" not in request.logged_url + repr(request) + endpoint.url
    assert b"xyzzy" not in bytes(WebhookEndpoint.objects.get().secret)


def test_a_channel_that_is_an_alert_recipient_gets_each_alert_of_it(
    acme: WhiteLabel, org: Organization
) -> None:
    channel = make_endpoint(
        acme, "trial.ending", kind="slack", url="https://hooks.slack.com/T0/B0"
    )
    other = make_organization(acme, "org-9")
    for organization, ids in ((org, [channel.pk]), (other, [])):
        set_recipients(
            organization.pk,
            notifies_billing_email=True,
            member_ids=[],
            addresses=[],
            endpoint_ids=ids,
        )
    make_rate(acme, "2")
    for organization in (org, other):
        limit(organization, "soft", "20")
    use(acme, 11)
    use(acme, 11, "e-2", organization="org-9")
    evaluate(org, other)

    assert [row.event.organization_id for row in deliveries(channel)] == [org.pk]
    alert = org.alerts.get()
    assert (alert.state, alert.reason) == (
        "suppressed",
        "Sent to webhook endpoints only.",
    )


def test_an_endpoint_of_others_is_no_recipient(
    acme: WhiteLabel, org: Organization
) -> None:
    other = make_organization(acme, "org-9")
    decoy = WhiteLabel.objects.get(slug="decoy")
    for endpoint in (make_endpoint(decoy), make_endpoint(acme, organization=other)):
        with pytest.raises(NotARecipient):
            set_recipients(
                org.pk,
                notifies_billing_email=True,
                member_ids=[],
                addresses=[],
                endpoint_ids=[endpoint.pk],
            )


def test_the_form_of_recipients_lists_channels_and_keeps_them(
    acme: WhiteLabel, org: Organization
) -> None:
    channel = make_endpoint(acme, kind="slack", url="https://hooks.slack.com/T0/B0")
    make_endpoint(WhiteLabel.objects.get(slug="decoy"))
    client = Client()
    client.force_login(make_user("op", "operator", white_label=acme))
    url = reverse("billing:edit_recipients", args=[org.pk])
    data = {"notifies_billing_email": "on", "endpoints": [channel.pk]}
    client.post(url, data | proof(client, org, "recipients"))

    form = client.get(reverse("billing:alerts", args=[org.pk])).context[
        "recipients_form"
    ]
    assert [key for key, _ in form.fields["endpoints"].choices] == [str(channel.pk)]
    assert form.initial["endpoints"] == [str(channel.pk)]
