"""The alerts tab of an organization, and the alerts of all organizations."""

import re
import sys
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.alerts import tasks
from billing.models import (
    Alert,
    AlertEmail,
    AlertRecipient,
    AlertSettings,
    SpendingLimit,
)
from orgs.models import Member, Organization, WhiteLabel
from orgs.queries.history import list_changes
from tests.factories import NOW, event, make_rate, make_user, record
from tests.support.alerts import evaluate, limit, proof
from tests.support.emails import exceed, make_customer, send_emails, use
from tests.support.smtp_sink import SmtpSink, smtp_sink, smtp_sink_server
from tests.support.snapshots import snapshot

__all__ = ["smtp_sink", "smtp_sink_server"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
POSTS = ("limits/", "recipients/", "snooze/")


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sent_ids: list[int] = []
    for where in ("billing.alerts.tasks", "billing.alerts.views.alerts"):
        module = sys.modules[where]  # its package has a view of that name
        monkeypatch.setattr(module, "enqueue", lambda _, *ids: sent_ids.extend(ids))
    return sent_ids


@pytest.fixture
@snapshot
def ann(acme: WhiteLabel) -> Organization:
    """Exceed the soft limit of 20 by 2, also for a decoy in another white label."""
    decoy = WhiteLabel.objects.get(slug="decoy")
    exceed(make_customer(decoy, "d-1", email="decoy@example.com"))
    made = make_customer(acme, "org-1")
    exceed(made)
    return made


def as_(role: str, label: WhiteLabel) -> Client:
    client = Client()
    client.force_login(make_user(f"{role}-{label.slug}", role, white_label=label))
    return client


def tab(organization: Organization, path: str = "") -> str:
    return f"/organizations/{organization.pk}/alerts/{path}"


def words(answer: Any) -> str:
    text = re.sub(r"<[^>]+>", " ", answer.content.decode().split("<main")[-1])
    return " ".join(text.split())


def test_the_timeline_shows_the_figures_of_the_time_of_the_alert(
    ann: Organization, smtp_sink: SmtpSink
) -> None:
    smtp_sink.script("rcpt", "550 no such user")
    send_emails()
    limit(ann, "soft", "5000")
    answer = as_("viewer", ann.white_label).get(tab(ann))
    page, html = words(answer), answer.content.decode()

    assert 'data-alert="soft_limit" data-state="failed"' in html
    assert "Nov 21, 12:00" in page
    assert "ann@example.com: 550 no such user" in page
    assert "$22.00 Soft limit $20.00" in page
    assert 'data-kind="soft_limit" data-status="not_reached"' in html
    assert "0.4%" in page  # of the limit as it is now
    assert "hard_limit" in [row.kind.slug for row in answer.context["not_applicable"]]
    assert "D-1" not in page


def test_the_main_causes_are_on_the_tab_and_the_list_of_all_alerts(
    ann: Organization,
) -> None:
    alert = Alert.objects.get(organization=ann)
    causes = ["$7.00 more <gpt> tokens", "$3.00 from new a100 usage"]
    days = {"diff_from": "2026-11-20", "diff_through": "2026-11-20"}
    facts = alert.facts | {"causes": causes, "causes_days": days}
    facts |= {"causes_compared": "Nov 12, 2026"}
    Alert.objects.filter(pk=alert.pk).update(facts=facts)
    client = as_("viewer", ann.white_label)

    html = client.get(tab(ann)).content.decode()
    [listed] = re.findall(r"<ul[^>]+data-causes>(.*?)</ul>", html)
    assert listed.count("<li>") == 2
    assert "&lt;gpt&gt;" in listed
    assert "Nov 12, 2026" in html
    assert "/costs/?diff_from=2026-11-20&amp;diff_through=2026-11-20&amp;" in html
    fleet = client.get("/alerts/?state=open").content.decode()
    assert "&lt;gpt&gt;" in fleet.split("data-causes")[1]


def test_the_link_of_an_email_opens_its_alert(ann: Organization) -> None:
    alert = Alert.objects.get(organization=ann)
    client = as_("viewer", ann.white_label)
    link = tab(ann) + f"?alert={alert.pk}"

    assert '<details class="alert" open>' in client.get(link).content.decode()
    assert '<details class="alert">' in client.get(tab(ann)).content.decode()
    for odd in ("0", "x", "9" * 30, "9223372036854775807"):
        assert client.get(tab(ann), {"alert": odd}).status_code == 200


def test_a_chart_shows_where_the_rate_leads(acme: WhiteLabel) -> None:
    """7 days of 20 and 4 today are 144 of 200; 16 more today, and 40 in two days."""
    organization = make_customer(acme, "org-1")
    make_rate(acme, "2")
    events = [
        event(
            f"d-{days}",
            organization="org-1",
            timestamp=(NOW - timedelta(days=days)).isoformat(),
            quantities={"requests": 10 if days else 2},
        )
        for days in range(8)
    ]
    record(acme, events)
    limit(organization, "soft", "200")
    page = as_("viewer", acme).get(tab(organization))
    chart = page.context["chart"]

    assert 'data-reached-on="2026-11-23"' in page.content.decode()
    assert [str(row.cells[0]) for row in chart.rows[-4:-2]] == [
        "140",
        "144",
    ]
    last = chart.rows[-1]
    assert (last.day.isoformat(), last.cells[0], last.cells[1]) == (
        "2026-11-23", None, Decimal("200"),
    )  # fmt: skip
    [drawn] = chart.data["limits"]
    assert drawn["value"] == 200.0
    [named] = chart.limits
    assert named.label.endswith("$200.00")


def test_a_simulation_records_nothing(ann: Organization) -> None:
    limit(ann, "hard", "50")
    client = as_("viewer", ann.white_label)

    over = client.get(tab(ann), {"spend": "51"})
    below = client.get(tab(ann), {"spend": "49"})
    bad = client.get(tab(ann), {"spend": "lots"})

    assert would(over) == ["hard_limit"]
    assert would(below) == []
    assert 'data-count="0"' in below.content.decode()
    assert bad.status_code == 200
    assert "spend" in bad.context["spend_form"].errors
    assert Alert.objects.filter(organization=ann).count() == 1


def would(answer: Any) -> list[str]:
    """Return the kinds of the alerts that the page says would be triggered."""
    part = (
        answer.content.decode().split('class="alerts__simulated"')[1].split("</div>")[0]
    )
    return re.findall(r'data-kind="(\w+)"', part)


def test_limits_are_previewed_then_saved(
    ann: Organization, enqueued: list[int]
) -> None:
    client = as_("finance", ann.white_label)
    data = {"soft": "21", "hard": "22", "note": "asked by phone"}
    data |= proof(client, ann, "limits")

    shown = client.post(tab(ann, "limits/"), data | {"step": "preview"})
    assert would(shown) == ["soft_limit", "hard_limit"]
    assert 'data-access-after="refused"' in shown.content.decode()
    assert limits(ann) == {"soft": "20"}

    saved = client.post(tab(ann, "limits/"), data | {"step": "save"})
    assert (saved.status_code, saved["Location"]) == (302, tab(ann))
    assert limits(ann) == {"soft": "21", "hard": "22"}
    assert sorted(AlertEmail.objects.get(pk=id_).kind for id_ in enqueued) == [
        "hard_limit", "soft_limit",
    ]  # fmt: skip


def test_a_limit_is_saved_with_a_reason_only(ann: Organization) -> None:
    client = as_("finance", ann.white_label)
    data = {"soft": "", "hard": "30"} | proof(client, ann, "limits")

    shown = client.post(tab(ann, "limits/"), data | {"step": "preview"})
    refused = client.post(tab(ann, "limits/"), data | {"step": "save", "note": " "})
    assert 'data-access-after="allowed"' in shown.content.decode()
    assert (refused.status_code, limits(ann)) == (422, {"soft": "20"})
    assert list(refused.context["limits_form"].errors) == ["note"]
    client.post(tab(ann, "limits/"), data | {"step": "save", "note": "ticket 7"})

    changes = list_changes(ann.pk, models=["spending limit"])
    assert {change.reason for change in changes[:2]} == {"ticket 7"}


def test_a_soft_limit_above_the_hard_one_is_refused(ann: Organization) -> None:
    client = as_("finance", ann.white_label)
    answer = client.post(
        tab(ann, "limits/"), {"soft": "30", "hard": "25", "step": "save"}
    )

    assert answer.status_code == 422
    assert list(answer.context["limits_form"].errors) == ["soft"]
    assert 'value="30"' in answer.content.decode()
    assert limits(ann) == {"soft": "20"}


def limits(organization: Organization) -> dict[str, str]:
    rows = SpendingLimit.objects.filter(organization=organization)
    return {row.kind: f"{row.amount:.0f}" for row in rows if row.amount}


def test_recipients_are_chosen(ann: Organization) -> None:
    member = Member.objects.create(
        organization=ann, external_id="m-1", email="m@example.com", name="Mia"
    )
    deleted = Member.objects.create(
        organization=ann, external_id="m-2", email="g@example.com", deleted_at=NOW,
        added_at=NOW,
    )  # fmt: skip
    client = as_("finance", ann.white_label)
    page = client.get(tab(ann)).content.decode()
    assert "Mia · m@example.com" in page
    assert "g@example.com" not in page

    data: dict[str, Any] = {
        "members": [str(member.pk)],
        "addresses": "a@example.com\nb@example.com",
        **proof(client, ann, "recipients"),
    }
    assert client.post(tab(ann, "recipients/"), data).status_code == 302
    assert AlertSettings.objects.get().notifies_billing_email is False
    rows = AlertRecipient.objects.order_by("id").values_list("member", "address")
    assert sorted(rows, key=str) == [
        (member.pk, ""), (None, "a@example.com"), (None, "b@example.com"),
    ]  # fmt: skip

    bad = client.post(tab(ann, "recipients/"), {"addresses": "no address"})
    assert bad.status_code == 422
    assert list(bad.context["recipients_form"].errors) == ["addresses"]
    stranger = client.post(tab(ann, "recipients/"), {"members": [str(deleted.pk)]})
    assert stranger.status_code == 422
    assert AlertRecipient.objects.count() == 3


def test_members_are_searched_among_many(ann: Organization) -> None:
    Member.objects.bulk_create(
        Member(
            organization=ann,
            external_id=f"m-{i}",
            email=f"m{i}@example.com",
            name=f"Mia {i}",
            added_at=NOW,
        )
        for i in range(150)
    )
    client = as_("finance", ann.white_label)
    page = client.get(tab(ann), {"member": "MIA 117"})
    [(id_, label)] = page.context["recipients_form"].fields["members"].choices
    assert label == "Mia 117 · m117@example.com"

    data = {"members": [id_]} | proof(client, ann, "recipients")
    assert client.post(tab(ann, "recipients/"), data).status_code == 302
    choices = client.get(tab(ann)).context["recipients_form"].fields["members"].choices
    assert choices[0][0] == id_
    assert len(choices) == 21


def test_a_snooze_is_shown_and_can_be_ended(ann: Organization) -> None:
    client = as_("finance", ann.white_label)
    client.post(tab(ann, "snooze/"), {"hours": "24"})
    page = client.get(tab(ann))
    assert page.context["is_snoozed"]
    assert "Nov 22, 2026, 12:00 UTC" in words(page)

    client.post(tab(ann, "snooze/"), {"hours": "0"})
    assert not client.get(tab(ann)).context["is_snoozed"]


def test_an_email_is_resent(
    ann: Organization, smtp_sink: SmtpSink, enqueued: list[int]
) -> None:
    alert = Alert.objects.get(organization=ann)
    client = as_("finance", ann.white_label)
    url = tab(ann, f"{alert.pk}/resend/")
    assert client.post(url).status_code == 409  # the first is on its way
    send_emails()
    enqueued.clear()

    assert client.post(url)["Location"] == f"{tab(ann)}#alert-{alert.pk}"

    tasks.send_alert_email(enqueued[0])
    assert [email.to for email in smtp_sink.alert_emails].count("ann@example.com") == 2
    assert "finance-acme" in words(client.get(tab(ann)))


@pytest.mark.parametrize("path", POSTS)
def test_only_roles_with_write_access_can_change_alerts(
    path: str, ann: Organization
) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")

    assert as_("viewer", ann.white_label).post(tab(ann, path)).status_code == 403
    assert as_("finance", decoy).post(tab(ann, path)).status_code == 404
    assert as_("finance", ann.white_label).get(tab(ann, path)).status_code == 405


def test_an_alert_of_another_organization_is_not_resent(ann: Organization) -> None:
    theirs = Alert.objects.exclude(organization=ann).get()
    client = as_("finance", ann.white_label)

    assert client.post(tab(ann, f"{theirs.pk}/resend/")).status_code == 404


# --- the fleet ----------------------------------------------------------------------


def test_the_fleet_page_shows_undelivered_alerts(
    ann: Organization, smtp_sink: SmtpSink
) -> None:
    customer = make_customer(ann.white_label, "org-2", email="")
    make_rate(ann.white_label, "2")
    limit(customer, "soft", "20")
    smtp_sink.script("rcpt", "550 no such user", to="ann@example.com")
    send_emails()
    exceed_alone(customer)
    client = as_("viewer", ann.white_label)

    page = client.get("/alerts/")
    failed = words(page)
    assert page.content.decode().count('data-alert="soft_limit"') == 1
    assert "$22.00" in failed
    assert "Org-1" in failed
    counts = [re.findall(r"\d+", row["label"]) for row in page.context["states"]]
    assert counts == [["1"], ["1"], [], [], []]
    assert "Org-2" in words(client.get("/alerts/?state=no_recipient"))
    assert "D-1" not in failed + words(client.get("/alerts/?state=sent"))
    assert client.get("/alerts/?state=x").status_code == 400
    assert client.get("/alerts/?kind=x").status_code == 400
    for query, number in (
        ("q=org-2", 1),
        ("q=org-404", 0),
        ("kind=soft_limit", 1),
        ("kind=hard_limit", 0),
    ):
        listed = client.get(f"/alerts/?state=no_recipient&{query}").content.decode()
        assert listed.count("data-alert=") == number


def test_the_fleet_page_opens_on_what_has_alerts(ann: Organization) -> None:
    client = as_("viewer", ann.white_label)
    assert client.get("/alerts/").context["filters"].tab == "open"
    customer = make_customer(ann.white_label, "org-2", email="")
    make_rate(ann.white_label, "2")
    limit(customer, "soft", "20")
    exceed_alone(customer)

    assert client.get("/alerts/").context["filters"].tab == "no_recipient"


def exceed_alone(organization: Organization) -> None:
    """Exceed a limit without recipients: no email is written."""
    use(organization)
    evaluate(organization)
