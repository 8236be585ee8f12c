"""The API of webhook endpoints: who may use it, and what it refuses."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook

from billing.errors import ReplayTooLarge
from billing.models import WebhookDelivery, WebhookEndpoint
from billing.webhooks.commands import endpoints, replays
from config.openapi.document import document
from orgs.commands.editing import change_organization
from orgs.models import Organization, WhiteLabel
from orgs.networks import read_networks
from orgs.outbound.slots import outbound_slot
from tests.config.test_routes import BILL, HOOK, HOOKS, PUSH
from tests.factories import make_key, make_organization, make_user
from tests.support.receivers import Receiver, answer, receiver
from tests.support.webhooks import deliver, deliveries, events, make_endpoint

pytestmark = pytest.mark.django_db
URL = "https://hooks.example/in"


@pytest.fixture(scope="module")
def server() -> Iterator[Receiver]:
    with receiver(answer(200, b"thanks")) as server:
        yield server


@pytest.fixture(autouse=True)
def loopback(settings: Any, server: Receiver) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("127.0.0.0/8")
    server.requests.clear()


def test_few_tests_wait_for_servers_of_users_at_once(
    acme: WhiteLabel, server: Receiver
) -> None:
    endpoint = make_endpoint(acme, url=server.url)
    path, staff = f"/webhook-endpoints/{endpoint.pk}/test", Client()
    staff.force_login(make_user("operator", "operator"))
    with outbound_slot():
        refused = Api(acme).call("post", path, {}, 503)
        page = staff.post(
            reverse("billing:webhook_endpoint", args=[endpoint.pk]), {"step": "test"}
        )

    assert refused["errors"][0]["code"] == "outbound_busy"
    assert (page.status_code, page["Retry-After"]) == (503, "10")
    assert not WebhookDelivery.objects.exists()
    Api(acme).call("post", path, {})


class Api:
    """Calls with a key that may do everything with webhooks."""

    def __init__(
        self, label: WhiteLabel, organization: Organization | None = None
    ) -> None:
        key = make_key(label, BILL, PUSH, organization=organization)
        self.client = Client(headers={"x-api-key": key})

    def call(
        self, method: str, path: str, body: object = None, status: int = 200
    ) -> Any:
        """Call a path below /api/v1 and return the body of the answer."""
        options = {} if body is None else {"data": body}
        response = getattr(self.client, method)(
            f"/api/v1{path}", content_type="application/json", **options
        )
        assert response.status_code == status, response.content
        return response.json() if response.content else None


def ids_of(endpoint: WebhookEndpoint) -> dict[str, int]:
    [delivery] = deliveries(endpoint)
    return {"webhook_endpoint_id": endpoint.pk, "delivery_id": delivery.pk}


def status_of(key: str, method: str, url: str) -> int:
    call = getattr(Client(headers={"x-api-key": key}), method)
    options = {} if method == "get" else {"content_type": "application/json"}
    return int(call(url, {}, **options).status_code)


@pytest.mark.parametrize("route", sorted(HOOKS))
def test_each_route_requires_its_scope_and_white_label(
    route: str, acme: WhiteLabel, org: Organization
) -> None:
    endpoint = make_endpoint(acme, url=URL)
    change_organization(org, {"name": "Seven"})
    method, path = route.split(" ")
    url, others = path.format(**ids_of(endpoint)), {BILL, PUSH} - {HOOKS[route]}
    decoy = WhiteLabel.objects.get(slug="decoy")

    assert status_of(make_key(acme, *others), method, url) == 403
    if "{" in path:
        # A body that is not valid is refused before anything is looked for.
        missing = 400 if path.endswith("/replay") else 404
        stranger = make_key(decoy, BILL, PUSH)
        member = make_key(acme, BILL, PUSH, organization=org)
        assert status_of(stranger, method, url) == missing
        assert status_of(member, method, url) == missing


def test_an_endpoint_from_creation_to_deletion(
    acme: WhiteLabel, org: Organization, server: Receiver
) -> None:
    api = Api(acme)
    body = {"url": server.url, "event_types": ["organization.updated"]}
    created = api.call("post", "/webhook-endpoints", body, 201)
    path, secret = f"/webhook-endpoints/{created['id']}", created["signing_secret"]
    assert secret.startswith("whsec_")
    assert "signing_secret" not in api.call("get", path)

    test = api.call("post", f"{path}/test", {})
    assert (test["state"], test["status_code"]) == ("done", 200)
    assert test["log"][0]["answer"] == "thanks"
    Webhook(secret).verify(server.requests[0].body, server.requests[0].headers)

    rotated = api.call("post", f"{path}/rotate-secret", {})["signing_secret"]
    change_organization(org, {"name": "Seven"})
    deliver()
    for text in (secret, rotated):
        Webhook(text).verify(server.requests[1].body, server.requests[1].headers)
    listed = api.call("get", "/deliveries?state=done&limit=1")
    detail = api.call("get", f"/deliveries/{listed['deliveries'][0]['id']}")
    assert detail["payload"]["data"]["organization"]["name"] == "Seven"
    assert listed["next_cursor"]

    resent = api.call("post", f"/deliveries/{detail['id']}/resend", {}, 202)
    api.call("post", f"/deliveries/{detail['id']}/resend", {}, 409)
    deliver()
    first, second = server.requests[1:]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert resent["event_id"] == detail["event_id"]

    assert api.call("patch", path, {"is_enabled": False})["disabled_because"] == (
        "person"
    )
    api.call("post", f"/deliveries/{detail['id']}/resend", {}, 409)
    assert api.call("patch", path, {"is_enabled": True})["is_enabled"] is True
    api.call("delete", path, {}, 204)
    api.call("get", path, status=404)
    assert not WebhookDelivery.objects.exists()


def test_a_replay_delivers_what_was_missed_in_order(
    acme: WhiteLabel, org: Organization, server: Receiver
) -> None:
    endpoint = make_endpoint(acme, "organization.updated", url=server.url)
    change_organization(org, {"name": "A"})
    deliver()
    endpoints.disable_endpoint(endpoint)
    for name in "BC":
        change_organization(org, {"name": name})
    endpoints.enable_endpoint(endpoint)
    now = timezone.now()
    api, path = Api(acme), f"/webhook-endpoints/{endpoint.pk}/replay"
    body = {
        "from": (now - timedelta(hours=1)).isoformat(),
        "to": (now + timedelta(hours=1)).isoformat(),
    }

    assert api.call("post", path, body, 202) == {"deliveries": 2}
    assert api.call("post", path, body, 202) == {"deliveries": 0}  # on their way
    deliver()
    assert [r.headers["webhook-id"] for r in server.requests] == [
        event.key for event in events()
    ]
    every = {**body, "includes_delivered": True}
    assert api.call("post", path, every, 202) == {"deliveries": 3}
    api.call("post", path, {**body, "from": body["to"]}, 400)
    api.call("post", path, {**body, "event_types": ["x"]}, 400)


def test_a_replay_has_a_limit(
    acme: WhiteLabel, org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = make_endpoint(acme, url=URL)
    endpoints.disable_endpoint(endpoint)
    for name in "BC":
        change_organization(org, {"name": name})
    endpoints.enable_endpoint(endpoint)
    monkeypatch.setattr(replays, "MAX_EVENTS", 1)
    now = timezone.now()

    with pytest.raises(ReplayTooLarge):
        replays.replay(endpoint, start=now - timedelta(hours=1), end=now, by="ann")
    assert deliveries(endpoint) == []


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"url": "http://10.0.0.1/"}, "url_not_allowed", "url"),
        ({"url": "https://169.254.169.254/"}, "url_not_allowed", "url"),
        ({"url": "https://a:b@hooks.example/"}, "url_not_allowed", "url"),
        ({"url": ""}, "url_not_allowed", "url"),
        ({"event_types": []}, "billing.webhook_endpoint_invalid", "event_types"),
        ({"event_types": ["x"]}, "billing.webhook_endpoint_invalid", "event_types"),
        ({"kind": "pagerduty"}, "billing.webhook_endpoint_invalid", "secret"),
        (
            {"kind": "pagerduty", "event_types": ["organization.created"]},
            "billing.webhook_endpoint_invalid",
            "event_types",
        ),
        ({"kind": "pigeon"}, "invalid_request", "kind"),
        ({"unknown": 1}, "unknown_field", "unknown"),
        ({"organization_id": 999_999}, "organization.not_found", None),
    ],
)
def test_input_that_is_not_accepted_creates_nothing(
    body: dict[str, Any], code: str, field: str | None, acme: WhiteLabel
) -> None:
    whole = {"url": URL, "event_types": ["limit.hard_reached"], **body}
    status = 404 if field is None else 400
    [error] = Api(acme).call("post", "/webhook-endpoints", whole, status)["errors"]

    assert error["code"] == code
    if field:
        assert field in str(error["fields"])
    assert not WebhookEndpoint.objects.exists()


def test_changes_are_checked_and_masks_keep_secrets(acme: WhiteLabel) -> None:
    api = Api(acme)
    secret_url = "https://hooks.slack.com/services/T0/B0/xyz"
    body = {"kind": "slack", "url": secret_url, "event_types": ["*"]}
    created = api.call("post", "/webhook-endpoints", body, 201)
    path = f"/webhook-endpoints/{created['id']}"
    assert created["url"] == "https://hooks.slack.com/********"
    assert created["signing_secret"] == ""
    before = bytes(WebhookEndpoint.objects.get().secret)

    api.call("patch", path, {"url": created["url"], "description": "ops"})
    assert bytes(WebhookEndpoint.objects.get().secret) == before
    api.call("patch", path, {"url": "https://10.0.0.1/"}, 400)
    api.call("patch", path, {"event_types": []}, 400)
    api.call("patch", path, {"secret": "x"}, 400)
    api.call("post", f"{path}/rotate-secret", {}, 400)
    assert WebhookEndpoint.objects.get().description == "ops"


def test_a_routing_key_is_not_sent_to_another_host(acme: WhiteLabel) -> None:
    pagerduty = "https://events.pagerduty.com/v2/enqueue"
    endpoint = make_endpoint(acme, kind="pagerduty", url=pagerduty, secret="k" * 32)
    path = f"/webhook-endpoints/{endpoint.pk}"
    api = Api(acme)

    body = api.call("patch", path, {"url": URL, "secret": "********"}, status=400)
    assert body["errors"][0]["fields"] == ["secret"]
    assert api.call("patch", path, {"url": f"{pagerduty}?a"})["url"][-2:] == "?a"
    assert api.call("patch", path, {"url": URL, "secret": "n"})["url"] == URL


def test_the_key_of_an_organization_makes_endpoints_of_it(
    acme: WhiteLabel, org: Organization
) -> None:
    api, other = Api(acme, org), make_organization(acme, "org-9")
    make_endpoint(acme, url=URL)
    body = {"url": URL, "event_types": ["*"]}

    created = api.call("post", "/webhook-endpoints", body, 201)
    assert created["organization_id"] == org.pk
    api.call("post", "/webhook-endpoints", {**body, "organization_id": other.pk}, 404)
    listed = api.call("get", "/webhook-endpoints")["webhook_endpoints"]
    assert [row["id"] for row in listed] == [created["id"]]


def test_a_white_label_has_a_most_of_endpoints(
    acme: WhiteLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MAX_ENDPOINTS", 1)
    body = {"url": URL, "event_types": ["*"]}
    api = Api(acme)
    api.call("post", "/webhook-endpoints", body, 201)

    api.call("post", "/webhook-endpoints", body, 409)


def test_the_catalog_has_valid_schemas_and_samples(acme: WhiteLabel) -> None:
    types = Api(acme).call("get", "/event-types")["event_types"]

    keys = {row["key"] for row in types}
    assert {row["resolved_by"] for row in types} - {None} <= keys
    for row in types:
        jsonschema_rs.validator_for(row["data_schema"], validate_formats=True).validate(
            row["sample"]["data"]
        )


def test_answers_have_the_shape_that_the_document_states(
    acme: WhiteLabel, org: Organization, server: Receiver
) -> None:
    endpoint = make_endpoint(acme, "organization.updated", url=server.url)
    change_organization(org, {"name": "A"})
    deliver()
    api, ids = Api(acme), ids_of(endpoint)
    openapi = document()
    for route in (route for route in HOOKS if route.startswith("get ")):
        path = route.split(" ")[1]
        content = openapi["paths"][path]["get"]["responses"]["200"]["content"]
        schema = content["application/json"]["schema"]
        validator = jsonschema_rs.validator_for(
            {**schema, "components": openapi["components"]}, validate_formats=True
        )
        validator.validate(api.call("get", path.format(**ids).removeprefix("/api/v1")))
    assert HOOK in openapi["paths"]


def test_lists_cost_a_bounded_number_of_statements(
    acme: WhiteLabel, org: Organization, django_assert_max_num_queries: Any
) -> None:
    make_endpoint(acme, url=URL)
    for name in "ABCDEFG":
        change_organization(org, {"name": name})
    api = Api(acme)
    api.call("get", "/deliveries")  # the first call of a key records its address
    for path in ("/deliveries", "/webhook-endpoints"):
        with django_assert_max_num_queries(4):
            api.call("get", path)
