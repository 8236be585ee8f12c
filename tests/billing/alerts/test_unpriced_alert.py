"""The alert to staff about usage without a price, and the page that it leads to."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing.alerts.commands.evaluation import evaluate
from billing.alerts.commands.recipients import snooze
from billing.ledger.commands.periods import close_period
from billing.models import Alert, AlertEmailRecipient
from metrics.commands.roll_up import roll_up_usage
from metrics.models import Correction
from metrics.queries.unpriced import list_open_unpriced
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    make_user,
    make_white_label,
    period_cost,
    record,
)
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture
@snapshot
def staff(acme: WhiteLabel) -> None:
    """Create finance staff of all and of one white label, and people without a say."""
    make_user("fin", "finance")
    make_user("bound", "operator", white_label=acme, is_staff=False)
    make_user("other", "finance", white_label=make_white_label("north"))
    make_user("sup", "support")


def recipients() -> set[str]:
    return set(AlertEmailRecipient.objects.values_list("address", flat=True))


@pytest.mark.usefixtures("staff")
def test_staff_are_notified_once_per_product_and_meter(
    acme: WhiteLabel, org: Organization
) -> None:
    Organization.objects.filter(pk=org.pk).update(billing_email="pay@example.com")
    snooze(org.pk, until=NOW + timedelta(days=1))
    make_rate(acme, "2")
    record(acme, [event(quantities={"requests": 5, "prompt_tokens": 70})])
    evaluate([org.pk], now=NOW)
    record(acme, [event("b", quantities={"prompt_tokens": 7})])
    evaluate([org.pk], now=NOW)

    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == ("unpriced", "gpt prompt_tokens")
    assert alert.facts["value"] == "70"
    assert recipients() == {"fin@example.com", "bound@example.com"}

    record(acme, [event("c", product="new")])
    evaluate([org.pk], now=NOW)
    assert Alert.objects.count() == 2


@pytest.mark.usefixtures("staff")
def test_carried_usage_is_reported_in_each_period(
    acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [event()])
    close_period(org.pk, ends_at=NOW)
    evaluate([org.pk], now=NOW)
    assert list(Alert.objects.order_by("id").values_list("period", flat=True)) == [
        "1",
        "2",
    ]


def test_without_staff_there_is_no_email(acme: WhiteLabel, org: Organization) -> None:
    record(acme, [event()])
    evaluate([org.pk], now=NOW)
    assert Alert.objects.get().state == "no_recipient"
    assert not mail.outbox


@pytest.mark.usefixtures("staff")
def test_usage_at_a_rate_is_not_reported(acme: WhiteLabel, org: Organization) -> None:
    make_rate(acme, "0")
    record(acme, [event(), event("b", quantities={"storage_bytes_added": 9})])
    evaluate([org.pk], now=NOW)
    assert not Alert.objects.exists()


def test_needs_action_lists_what_has_no_price(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    make_organization(acme, "org-8")
    record(acme, [event(), event("b", organization="org-8")])
    roll_up_usage()
    record(acme, [event("c", timestamp="2026-11-19T11:00:00Z")])
    client.force_login(make_user("fin", "finance"))

    response = client.get("/")

    [line] = response.context["unpriced"]
    assert (line.product, line.meter, line.quantity) == ("gpt", "requests", 15)
    assert (line.organizations, f"{line.since}") == (2, "2026-11-19")
    assert 'data-unpriced="gpt requests"' in response.content.decode()


def test_the_page_previews_and_re_rates(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    record(acme, [event()])
    client.force_login(make_user("fin", "finance"))
    url = reverse("billing:unpriced")
    assert 'data-unpriced="gpt requests"' in client.get(url).content.decode()
    selected = f"{url}?white_label=acme&product=gpt&meter=requests"
    page = client.get(selected).content.decode()
    assert f'data-organization="{org.pk}"' in page
    assert (
        "data-unchanged" in client.post(selected, {"step": "preview"}).content.decode()
    )

    make_rate(acme, "3")
    preview = client.post(selected, {"step": "preview"})
    [rerate] = preview.context["preview"].rerates
    assert (rerate.old_cost, rerate.new_cost) == (0, 15)
    assert client.post(selected, {"step": "apply", "note": ""}).status_code == 422
    assert period_cost(org.pk, number=1).cost == 0
    apply = {"step": "apply", "note": "price of gpt"}
    assert client.post(selected, apply).status_code == 302
    assert period_cost(org.pk, number=1).cost == Decimal(15)
    assert Correction.objects.get().by == "fin"
    assert list_open_unpriced(org.pk) == []


def test_the_page_warns_of_periods_whose_events_were_dropped(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    record(acme, [event()])
    make_rate(acme, "3")
    with connection.cursor() as cursor:
        cursor.execute("drop table metrics_usageevent_2026_11")
    client.force_login(make_user("fin", "finance"))
    selected = f"{reverse('billing:unpriced')}?white_label=acme&product=gpt"
    selected += "&meter=requests"

    preview = client.post(selected, {"step": "preview"})
    assert preview.context["preview"].without_events == [org.pk]
    assert 'data-without-events="1"' in preview.content.decode()

    apply = {"step": "apply", "note": "price of gpt"}
    answer = client.post(selected, apply, follow=True)
    assert [message.level_tag for message in answer.context["messages"]] == ["warning"]


def test_only_those_who_may_change_billing_re_rate(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    record(acme, [event()])
    make_rate(acme, "3")
    url = reverse("billing:unpriced")
    selected = f"{url}?white_label=acme&product=gpt&meter=requests"
    client.force_login(make_user("sup", "support"))
    assert client.get(selected).status_code == 200
    assert client.post(selected, {"step": "apply", "note": "x"}).status_code == 403
    other = make_user("north", "finance", white_label=make_white_label("north"))
    client.force_login(other)
    assert client.get(selected).status_code == 404
    for step in ("preview", "apply"):
        sent = {"step": step, "note": "x"}
        assert client.post(selected, sent).status_code == 404
    assert not Correction.objects.exists()
    assert "data-unpriced" not in client.get(url).content.decode()
