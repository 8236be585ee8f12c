"""The Integrations tab: targets, tests with the target's answer, pauses, backfills."""

from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from metrics.commands.pushes import claim_push
from metrics.models import Integration, Push, PushBackfill
from metrics.queries.integrations import find_target
from orgs.models import Organization, WhiteLabel
from orgs.networks import read_networks
from orgs.outbound import Answer, ErrorKind
from orgs.outbound.slots import outbound_slot
from orgs.queries.history import list_changes
from tests.factories import NOW, make_user
from tests.support.receivers import answer, receiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
URL = "https://prom.example.com/push"
TARGET = {"endpoint": URL, "instance_id": "7", "token": "glc_x", "note": "asked"}


@pytest.fixture
def tab(org: Organization) -> "Tab":
    return Tab(org, "support")


class Tab:
    """The tab of an organization, for a user with a role."""

    def __init__(
        self, organization: Organization, role: str, label: WhiteLabel | None = None
    ) -> None:
        self.id = organization.pk
        self.client = Client()
        white_label = label or organization.white_label
        self.client.force_login(make_user(role, role, white_label=white_label))

    def get(self) -> Any:
        return self.client.get(reverse("billing:integrations", args=[self.id]))

    def post(self, step: str, kind: str = "prom", **data: str) -> Any:
        fields = {f"{kind}-{name}": value for name, value in data.items()}
        fields[f"{kind}-change-note"] = data.get("note", "")
        url = reverse("billing:edit_integration", args=[self.id, kind])
        return self.client.post(url, {"step": step, **fields})

    def backfill(self, **data: Any) -> Any:
        url = reverse("billing:edit_backfill", args=[self.id])
        return self.client.post(url, {f"backfill-{k}": v for k, v in data.items()})

    def cancel(self, pk: int) -> Any:
        url = reverse("billing:edit_backfill", args=[self.id])
        return self.client.post(url, {"cancel": pk})

    @property
    def card(self) -> dict[str, Any]:
        """The variables of the Prometheus card."""
        card: dict[str, Any] = self.get().context["cards"][0]
        return card


def token_of(org: Organization) -> str:
    target = find_target(org.pk, kind="prom")
    assert target is not None
    return target.token


def test_a_target_is_set_and_its_token_is_never_shown(
    org: Organization, tab: Tab
) -> None:
    assert tab.card["state"][0] == "none"

    assert tab.post("save", **TARGET).status_code == 302

    page = tab.get().content.decode()
    assert (URL in page, "glc_x" in page) == (True, False)
    assert tab.card["state"][0] == "waiting"
    assert token_of(org) == "glc_x"
    [change] = list_changes(org.pk, models=["integration"])
    assert (change.user, change.reason) == ("support", "asked")


@pytest.mark.parametrize(
    ("token", "stored"), [("", "glc_x"), ("**", "glc_x"), ("y", "y")]
)
def test_an_empty_or_masked_token_keeps_the_stored_one(
    org: Organization, tab: Tab, token: str, stored: str
) -> None:
    tab.post("save", **TARGET)
    earlier = NOW - timedelta(days=1)
    Integration.objects.update(set_at=earlier)
    tab.post("save", **{**TARGET, "token": token, "instance_id": "8"})

    assert token_of(org) == stored
    assert Integration.objects.get().instance_id == "8"
    # History shows a later `set_at` as a new token.
    assert (Integration.objects.get().set_at == earlier) == (stored == "glc_x")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token", ""),
        ("token", "***"),
        ("token", "a b"),
        ("endpoint", "http://prom.example.com/"),
        ("endpoint", "https://10.0.0.1/"),
        ("endpoint", ""),
        ("instance_id", "a:b"),
        ("note", ""),
    ],
)
def test_a_wrong_target_is_refused_by_field(
    org: Organization, tab: Tab, field: str, value: str
) -> None:
    response = tab.post("save", **{**TARGET, field: value})

    assert response.status_code == 422
    assert list(response.context["cards"][0]["form"].errors) == [field]
    assert not Integration.objects.exists()
    assert "glc_x" not in response.content.decode()


def test_a_test_shows_what_the_target_answers(
    org: Organization, tab: Tab, settings: Settings
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("127.0.0.0/8")
    with receiver(answer(400, b"<b>out of bounds</b>")) as server:
        tab.post("save", **{**TARGET, "endpoint": server.url})
        tab.post("pause", note="maintenance")
        page = tab.post("test").content.decode()
        assert 'data-tested="http"' in page
        assert "&lt;b&gt;out of bounds&lt;/b&gt;" in page
        server.script = answer()
        assert 'data-tested="success"' in tab.post("test").content.decode()
        with outbound_slot():  # another test waits for its answer
            assert tab.post("test").status_code == 503
    assert 'data-tested="connect"' in tab.post("test").content.decode()
    assert Push.objects.get().tried_at is None


@pytest.mark.parametrize("step", ["try", "save"])
def test_a_stored_token_is_not_sent_to_another_host(
    org: Organization, tab: Tab, settings: Settings, step: str
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("127.0.0.0/8")
    tab.post("save", **TARGET)
    with receiver(answer()) as server:
        moved = {**TARGET, "token": "", "endpoint": server.url}
        response = tab.post(step, **moved)
        assert list(response.context["cards"][0]["form"].errors) == ["token"]
        assert server.requests == []
    assert (response.status_code, Integration.objects.get().endpoint) == (422, URL)


def test_a_new_target_can_start_paused(tab: Tab) -> None:
    tab.post("save", **TARGET, starts_paused="on")
    assert tab.card["state"][0] == "paused"
    tab.post("save", **TARGET)
    assert tab.card["state"][0] == "paused"


def test_a_target_is_tried_before_it_is_saved(
    org: Organization, tab: Tab, settings: Settings
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("127.0.0.0/8")
    with receiver(answer(401, b"wrong: glc_x")) as server:
        target = {**TARGET, "endpoint": server.url, "note": ""}
        response = tab.post("try", **target)
        page = response.content.decode()
        assert ('data-tried="http"' in page, "glc_x" in page) == (True, False)
        assert not Integration.objects.exists()
        assert "Leave empty for the token you entered." in page
        server.script = answer()
        form = response.context["cards"][0]["form"]
        carried = {"token": "", "encrypted_token": form["encrypted_token"].value()}
        again = {**target, **carried}
        assert 'data-tried="success"' in tab.post("try", **again).content.decode()
        login = server.requests[0].headers["authorization"]
        assert login == server.requests[1].headers["authorization"]

    assert tab.post("save", **again).status_code == 422  # a reason is required
    stranger = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    other = Tab(stranger, "operator")
    moved = other.post("save", **{**again, "endpoint": URL, "note": "x"})
    assert list(moved.context["cards"][0]["form"].errors) == ["token"]
    tab.post("save", **{**again, "note": "asked"})
    assert token_of(org) == "glc_x"


@pytest.mark.parametrize(
    ("field", "value"), [("endpoint", "https://10.0.0.1/"), ("token", "")]
)
def test_a_wrong_target_is_not_tried(tab: Tab, field: str, value: str) -> None:
    response = tab.post("try", **{**TARGET, field: value})

    assert response.status_code == 422
    assert list(response.context["cards"][0]["form"].errors) == [field]


def test_pausing_resuming_and_removing_need_a_reason(
    org: Organization, tab: Tab
) -> None:
    tab.post("save", **TARGET)
    assert tab.post("pause").status_code == 422
    tab.post("pause", note="maintenance")
    assert tab.card["state"][0] == "paused"
    tab.post("resume", note="over")
    assert tab.card["state"][0] == "waiting"

    preview = tab.post("remove", note="moved").content.decode()
    assert 'data-preview="removal"' in preview
    assert Integration.objects.exists()
    assert tab.post("apply-removal").status_code == 422
    tab.post("apply-removal", note="moved")
    assert not Integration.objects.exists()
    reasons = [row.reason for row in list_changes(org.pk, models=["integration"])]
    assert reasons == ["moved", "over", "maintenance", "asked"]


def test_the_card_shows_the_last_push_and_its_error(
    org: Organization, tab: Tab
) -> None:
    tab.post("save", **TARGET)
    push = Push.objects.get()
    delivery = claim_push(push.pk)
    assert delivery is not None
    delivery.record(Answer(204, seconds=0.25))
    card = tab.card
    assert card["state"][0] == "active"
    assert (card["push"].pushed_at, card["push"].items > 5) == (NOW, True)

    Push.objects.update(next_attempt_at=NOW)
    delivery = claim_push(push.pk)
    assert delivery is not None
    failed = Answer(400, {}, b"<i>duplicate", ErrorKind.HTTP, "Status 400.", 0.5)
    delivery.record(failed)
    page = tab.get().content.decode()
    assert 'data-error="refused"' in page
    assert "Status 400. &lt;i&gt;duplicate" in page
    assert tab.card["state"][0] == "failing"


def test_a_backfill_is_requested_once_and_can_be_canceled(
    org: Organization, tab: Tab, frozen: time_machine.Traveller
) -> None:
    days = {"first": "2026-10-01", "last": "2026-10-31", "note": "asked"}
    assert tab.backfill(**days).status_code == 404
    tab.post("save", **TARGET)

    assert tab.backfill(**days).status_code == 302
    assert tab.backfill(**days).status_code == 422  # one runs already
    page = tab.get()
    assert page.context["poll_url"]
    [row] = page.context["backfills"]
    assert (row.days, row.percent, row.requested_by) == (31, 0, "support")
    PushBackfill.objects.update(next_day=date(2026, 10, 11))
    assert 'data-percent="32"' in tab.get().content.decode()

    tab.cancel(row.pk)
    [row] = tab.get().context["backfills"]
    assert (row.state, row.error) == ("canceled", "Canceled by support.")


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        ("2026-10-02", "2026-10-01", "first"),
        ("2026-10-01", "2026-11-21", "last"),
        ("2026-01-04", "2026-01-06", "first"),
        ("x", "2026-01-06", "first"),
    ],
)
def test_a_range_that_cannot_be_pushed_is_refused(
    tab: Tab, first: str, last: str, field: str
) -> None:
    tab.post("save", **TARGET)

    response = tab.backfill(first=first, last=last, note="asked")

    assert response.status_code == 422
    assert list(response.context["backfill_form"].errors) == [field]
    assert not PushBackfill.objects.exists()


def test_roles_without_permission_only_read(
    acme: WhiteLabel, org: Organization, tab: Tab
) -> None:
    tab.post("save", **TARGET)
    reader = Tab(org, "finance")
    assert reader.get().context["blocked_reason"]
    for step in ("save", "try", "test", "pause", "remove", "apply-removal"):
        assert reader.post(step, **TARGET).status_code == 403
    assert reader.backfill().status_code == 403

    stranger = Tab(org, "operator", WhiteLabel.objects.get(slug="decoy"))
    assert stranger.get().status_code == 404
    assert stranger.post("pause", note="x").status_code == 404
    assert stranger.backfill(first="2026-10-01").status_code == 404
    assert tab.post("save", kind="x", **TARGET).status_code == 404
    assert tab.post("unknown").status_code == 404
    assert Integration.objects.filter(paused_at=None).count() == 1


def test_a_backfill_of_another_organization_is_not_canceled(
    org: Organization, tab: Tab
) -> None:
    other = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    owner = Tab(other, "operator")
    owner.post("save", **TARGET)
    owner.backfill(first="2026-10-01", last="2026-10-02", note="asked")

    tab.cancel(PushBackfill.objects.get().pk)

    assert PushBackfill.objects.get().state == "pending"


def test_the_page_has_a_bounded_number_of_queries(tab: Tab) -> None:
    tab.post("save", **TARGET)
    tab.post("save", kind="loki", **TARGET)
    tab.backfill(first="2026-10-01", last="2026-10-02", note="asked")
    tab.get()
    with CaptureQueriesContext(connection) as queries:
        tab.get()
    assert len(queries) <= 14
