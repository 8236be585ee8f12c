"""The pages of webhook endpoints: their steps, roles, and number of statements."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import WebhookDelivery, WebhookEndpoint
from billing.models.webhooks import DisabledBecause
from billing.webhooks.commands.endpoints import disable_endpoint
from billing.webhooks.event_types import EVENT_TYPES
from billing.webhooks.forms import NewEndpointForm
from billing.webhooks.schemas.endpoints import delivery_out
from orgs.commands.editing import change_organization
from orgs.models import Organization, WhiteLabel
from orgs.networks import read_networks
from tests.factories import make_user
from tests.support.receivers import Receiver, answer, receiver
from tests.support.webhooks import deliver, deliveries, make_endpoint

pytestmark = pytest.mark.django_db
NOTE = {"change-note": "asked by ops"}
LIST = "/webhook-endpoints/"


@pytest.fixture(scope="module")
def server() -> Iterator[Receiver]:
    with receiver(answer(200, b"<thanks>")) as server:
        yield server


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("127.0.0.0/8")


def client_of(label: WhiteLabel, *roles: str) -> Client:
    client = Client()
    client.force_login(
        make_user("-".join(("u", label.slug, *roles)), *roles, white_label=label)
    )
    return client


@pytest.fixture
def operator(acme: WhiteLabel) -> Client:
    return client_of(acme, "operator")


def page_of(endpoint: WebhookEndpoint) -> str:
    return reverse("billing:webhook_endpoint", args=[endpoint.pk])


def new_endpoint(url: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "webhook",
        "url": url,
        "event_types": ["organization.updated"],
        "note": "asked by ops",
        **changes,
    }


def test_an_endpoint_is_created_with_its_secret_shown_once(
    acme: WhiteLabel, org: Organization, operator: Client, server: Receiver
) -> None:
    url = reverse("billing:organization_webhooks", args=[org.pk])
    response = operator.post(url, new_endpoint(server.url))

    endpoint = WebhookEndpoint.objects.get()
    assert (response.status_code, response["Location"]) == (302, page_of(endpoint))
    assert endpoint.organization == org
    session = str(dict(operator.session))
    polled = operator.get(page_of(endpoint), headers={"HX-Request": "true"})
    secret = operator.get(page_of(endpoint)).context["signing_secret"]
    assert secret[:6] == "whsec_"
    assert not any(secret in text for text in (session, polled.content.decode()))
    body = operator.get(page_of(endpoint)).content.decode()
    assert secret not in body
    assert "whsec_" not in body
    history = operator.get(reverse("orgs:history", args=[org.pk])).content.decode()
    assert server.url in history


def test_event_types_are_grouped_with_what_they_report() -> None:
    body = str(NewEndpointForm(white_labels=None)["event_types"])
    assert EVENT_TYPES["limit.forecast"].description in body
    assert "<label>Limit</label>" in body


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": ""}, "url"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["x"]}, "event_types"),
        ({"kind": "pagerduty", "event_types": ["*"]}, "secret"),
        (
            {"kind": "pagerduty", "secret": "k", "event_types": ["invoice.closed"]},
            "event_types",
        ),
        ({"note": ""}, "note"),
        ({"white_label": ""}, "white_label"),
    ],
)
def test_a_form_that_is_not_valid_creates_nothing(
    changes: dict[str, Any], field: str, acme: WhiteLabel, operator: Client
) -> None:
    data = new_endpoint("https://hooks.example/", white_label=acme.pk) | changes
    response = operator.post(LIST, data)

    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert not WebhookEndpoint.objects.exists()


def test_the_steps_of_an_endpoint(
    acme: WhiteLabel, org: Organization, operator: Client, server: Receiver
) -> None:
    data = new_endpoint(server.url, white_label=acme.pk)
    assert operator.post(LIST, data).status_code == 302
    endpoint = WebhookEndpoint.objects.get()
    page = page_of(endpoint)

    sent = operator.post(page, {"step": "test"})
    assert sent.status_code == 302  # reloading its page sends no other
    tested = operator.get(sent["Location"])
    assert tested.context["delivery"].state == "done"
    assert "&lt;thanks&gt;" in tested.content.decode()
    assert "Test event accepted." in tested.content.decode()
    operator.get(page)
    rotated = operator.post(page, {"step": "rotate"}, follow=True)
    assert rotated.context["signing_secret"].startswith("whsec_")
    saved = operator.post(page, {**data, "step": "save", "description": "ops"})
    assert saved.status_code == 302
    assert operator.post(page, {"step": "disable"}).status_code == 422
    assert operator.post(page, {"step": "disable", **NOTE}).status_code == 302
    change_organization(org, {"name": "Seven"})
    span = {"start": "2026-01-01T00:00", "end": "2199-01-01T00:00"}
    assert operator.post(page, {"step": "replay", **span}).status_code == 422
    assert operator.post(page, {"step": "enable", **NOTE}).status_code == 302
    assert operator.post(page, {"step": "replay", **span}).status_code == 302
    deliver()
    assert [row.reason for row in deliveries(endpoint)] == ["test", "replay"]
    backwards = {"start": span["end"], "end": span["start"]}
    assert operator.post(page, {"step": "replay", **backwards}).status_code == 422
    assert operator.post(page, {"step": "unknown"}).status_code == 400

    preview = operator.post(page, {"step": "delete", **NOTE})
    assert preview.context["is_deleting"]
    assert WebhookEndpoint.objects.exists()
    assert operator.post(page, {"step": "apply-delete", **NOTE}).status_code == 302
    assert not WebhookEndpoint.objects.exists()


def test_a_delivery_shows_its_log_and_is_resent(
    acme: WhiteLabel, org: Organization, operator: Client, server: Receiver
) -> None:
    endpoint = make_endpoint(acme, "organization.updated", url=server.url)
    change_organization(org, {"name": "Seven"})
    [delivery] = deliveries(endpoint)
    page = reverse("billing:webhook_delivery", args=[delivery.pk])
    resend = reverse("billing:resend_delivery", args=[delivery.pk])
    operator.post(resend)  # still on its way
    assert WebhookDelivery.objects.count() == 1
    deliver()

    body = operator.get(page).content.decode()
    assert "webhook-signature" in body
    assert "&lt;thanks&gt;" in body
    assert "<thanks>" not in body
    assert operator.post(resend).status_code == 302
    assert WebhookDelivery.objects.count() == 2


def test_times_are_true_and_in_the_zone_of_the_white_label(
    acme: WhiteLabel, org: Organization, operator: Client
) -> None:
    WhiteLabel.objects.filter(pk=acme.pk).update(time_zone="Asia/Tokyo")
    endpoint = make_endpoint(acme, "organization.updated")
    change_organization(org, {"name": "Seven"})
    held_until = datetime(2199, 1, 1, 12, tzinfo=UTC)
    WebhookEndpoint.objects.update(held_until=held_until, last_success_at=held_until)
    [delivery] = deliveries(endpoint)
    WebhookDelivery.objects.update(error="x" * 500)

    local = "2199-01-01T21:00:00+09:00"
    assert local in operator.get(LIST).content.decode()
    assert delivery_out(delivery)["next_attempt_at"] == held_until
    page = reverse("billing:webhook_delivery", args=[delivery.pk])
    for url in (page_of(endpoint), page):
        body = operator.get(url).content.decode()
        assert re.search(rf"data-next>[^<]*<time datetime=\"{re.escape(local)}", body)
        assert "x" * 121 not in body


def test_each_page_requires_its_role_and_white_label(
    acme: WhiteLabel, org: Organization
) -> None:
    endpoint = make_endpoint(acme, "organization.updated")
    change_organization(org, {"name": "Seven"})
    [delivery] = deliveries(endpoint)
    pages = [
        LIST,
        page_of(endpoint),
        reverse("billing:webhook_delivery", args=[delivery.pk]),
    ]
    viewer = client_of(acme, "viewer")
    decoy = WhiteLabel.objects.get(slug="decoy")
    stranger, roleless = client_of(decoy, "operator"), client_of(acme)

    assert [viewer.get(page).status_code for page in pages] == [200] * 3
    assert [stranger.get(page).status_code for page in pages] == [200, 404, 404]
    assert [roleless.get(page).status_code for page in pages] == [403] * 3
    assert not stranger.get(LIST).context["endpoints"]
    assert viewer.post(page_of(endpoint), {"step": "test"}).status_code == 403
    assert viewer.post(LIST, {}).status_code == 403
    resend = reverse("billing:resend_delivery", args=[delivery.pk])
    assert viewer.post(resend).status_code == 403
    assert stranger.post(resend).status_code == 404
    assert stranger.post(page_of(endpoint), {"step": "test"}).status_code == 404


def test_a_page_of_deliveries_is_filtered_and_bounded(
    acme: WhiteLabel,
    org: Organization,
    operator: Client,
    django_assert_max_num_queries: Any,
) -> None:
    endpoint = make_endpoint(acme, "organization.updated")
    change_organization(org, {"name": "N"})
    first = deliveries(endpoint)[0]
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            endpoint=endpoint, event=first.event, object_key=first.object_key
        )
        for _ in range(59)
    )
    disable_endpoint(endpoint, DisabledBecause.FAILING)
    with django_assert_max_num_queries(10):
        response = operator.get(page_of(endpoint))

    assert len(response.context["deliveries"]) == 50
    following = operator.get(response.context["next_url"])
    assert len(following.context["deliveries"]) == 10
    nothing = operator.get(f"{page_of(endpoint)}?state=done")
    assert nothing.context["deliveries"] == []
    assert 'data-disabled="failing"' in response.content.decode()
