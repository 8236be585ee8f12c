"""The setup guide: what is done, what is skipped, and the first event."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orgs.models import ApiKey, User, WhiteLabel
from tests.factories import (
    event,
    make_organization,
    make_rate,
    make_user,
    make_white_label,
    record,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
GUIDE = reverse("billing:setup")


@pytest.fixture
def client(db: None) -> Client:
    return of(make_user("op", "operator"))


def of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def state(client: Client, query: str = "") -> tuple[str, int]:
    """Return the step that is shown, and how many are done."""
    page = client.get(f"{GUIDE}{query}")
    assert page.status_code == 200
    return page.context["current"].key.value, page.context["done"]


def test_it_leads_from_nothing_to_the_first_event(
    client: Client, settings: Any
) -> None:
    settings.STRIPE_SECRET_KEY = ""
    assert "Set up Orgdesk" in client.get("/").content.decode()
    assert state(client) == ("white-label", 0)
    assert "data-setup-open" in client.get("/organizations/").content.decode()

    label = make_white_label("acme")
    assert state(client) == ("organizations", 1)
    make_organization(label, "org-7")
    assert state(client) == ("prices", 2)
    make_rate(label, "0.5")
    assert state(client) == ("usage", 3)
    waiting = client.get(reverse("billing:first_usage"))
    assert 'data-received="no"' in waiting.content.decode()

    record(label, [event()])
    arrived = client.get(reverse("billing:first_usage")).content.decode()
    assert 'data-received="yes"' in arrived
    assert "hx-get" not in arrived
    assert state(client) == ("stripe", 4)


def test_a_step_is_skipped_and_taken_up_again(client: Client) -> None:
    label = make_white_label("acme")
    client.get(GUIDE)
    skip = {"step": "skip", "skipped": "organizations"}
    client.post(f"{GUIDE}?white_label=acme", skip)
    assert state(client, "?white_label=acme") == ("prices", 1)
    assert state(client, "?white_label=acme&step=organizations")[0] == "organizations"
    make_organization(label, "org-7")
    assert state(client) == ("prices", 2)

    assert client.post(GUIDE, {"step": "leave"}).status_code == 302
    assert "data-setup-open" not in client.get("/organizations/").content.decode()


def test_the_key_is_shown_once_and_its_command_works(client: Client) -> None:
    label = make_white_label("acme")
    organization = make_organization(label, 'it\'s "7"')
    make_rate(label, "0.5")
    url = f"{GUIDE}?white_label=acme"
    shown = client.post(url, {"step": "key"}, follow=True)
    command = re.sub("<[^>]+>", "", shown.content.decode())

    [key] = ApiKey.objects.all()
    assert (key.scopes, key.white_label) == (["usage:write"], label)
    text = re.search(r"Bearer (\w+)", command)
    assert text
    assert "data-created-key" not in client.get(f"{url}&step=usage").content.decode()
    sample = shown.context["sample"]
    sent = Client(headers={"authorization": f"Bearer {text[1]}"}).post(
        "/api/v1/usage/events",
        [
            {
                "id": "first-event",
                "organization": sample.organization,
                "timestamp": "2026-11-21T11:00:00Z",
                "product": sample.product,
                "quantities": {sample.meter: sample.quantity},
            }
        ],
        content_type="application/json",
    )
    assert sent.status_code == 200, sent.content
    arrived = client.get(reverse("billing:first_usage")).content.decode()
    assert f"/organizations/{organization.pk}/" in arrived


@pytest.mark.parametrize(
    "data",
    [{}, {"step": "x"}, {"step": "skip"}, {"step": "skip", "skipped": "x"}],
)
def test_other_steps_are_refused(client: Client, data: dict[str, str]) -> None:
    assert client.post(GUIDE, data).status_code == 400


def test_others_have_no_guide(acme: WhiteLabel) -> None:
    for role in ("support", "finance", "viewer"):
        other = of(make_user(role, role, white_label=acme))
        assert other.get(GUIDE).status_code == 403
        assert other.get("/").content.decode().find("Set up Orgdesk") == -1
    bound = of(make_user("op2", "operator", white_label=acme))
    assert bound.get(f"{GUIDE}?white_label=decoy").status_code == 404
    answer = bound.post(f"{GUIDE}?white_label=decoy", {"step": "key"})
    assert answer.status_code == 404
    assert not ApiKey.objects.exists()
