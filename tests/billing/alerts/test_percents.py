"""Percentages of limits and entitlements that an organization chose for its alerts."""

import re
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.alerts.commands.percents import set_percents
from billing.alerts.kinds import AlertPercents, kinds_at
from billing.alerts.queries.measurements import find_changes, measure
from billing.alerts.queries.statuses import list_statuses
from billing.models import Alert, AlertSettings
from orgs.commands.editing import set_entitlements
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_key, make_organization, make_rate, make_user
from tests.support.alerts import evaluate, limit, use

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture(autouse=True)
def prices(acme: WhiteLabel) -> None:
    make_rate(acme, "1")
    for meter in ("cpu_seconds", "gpu_seconds"):
        make_rate(acme, "0", meter=meter)


def recorded(organization: Organization) -> list[tuple[str, int]]:
    """Return kinds and thresholds of recorded alerts that no other one covers."""
    rows = Alert.objects.filter(organization=organization).order_by("id")
    rows = rows.exclude(reason__startswith="Covered")
    return [(row.kind, int(row.threshold)) for row in rows]


def test_each_chosen_percentage_alerts_once_per_period_and_version(
    acme: WhiteLabel, org: Organization
) -> None:
    """The soft limit is 100, the hard one 200, and compute time 1,000 s."""
    limit(org, "soft", "100")
    limit(org, "hard", "200")
    set_entitlements(org, {"compute_seconds_per_year": 1_000})
    set_percents(org.pk, {"limits": [30, 60, 120], "entitlements": [35, 80]})

    use(acme, 59)
    use(acme, 0, "c-1", quantities={"cpu_seconds": 500})
    for _ in range(2):
        evaluate(org)
    assert recorded(org) == [("soft_share", 30), ("usage_share", 35)]
    use(acme, 1, "e-2")
    evaluate(org)
    assert recorded(org)[2:] == [("hard_share", 30), ("soft_share", 60)]
    use(acme, 50, "e-3")  # 110: the soft limit is reached, but 100 was not chosen
    use(acme, 0, "c-2", quantities={"cpu_seconds": 450})
    evaluate(org)
    assert recorded(org)[4:] == [("usage_80", 80)]
    use(acme, 130, "e-4")  # 240: the alert of the hard limit is always sent
    evaluate(org)
    sent = [("hard_limit", 200), ("hard_share", 120), ("soft_share", 120)]
    assert sorted(recorded(org)[5:]) == sent

    count = len(recorded(org))
    set_percents(org.pk, {"limits": [120], "entitlements": None})
    set_percents(org.pk, {"limits": [30, 60, 120]})
    evaluate(org)
    again = recorded(org)[count:]
    assert again == [("usage_90", 90)]  # of the default ones, 80 was sent
    limit(org, "soft", "101")  # a changed limit re-arms
    evaluate(org)
    assert recorded(org)[count + 1 :] == [("soft_share", 120)]
    statuses = list_statuses(org.pk, now=NOW, kind="soft_share")
    assert [str(row.kind.threshold) for row in statuses] == ["30", "60", "120"]
    assert {row.status for row in statuses} == {"triggered"}
    set_percents(org.pk, {"limits": None})
    evaluate(org)
    assert recorded(org)[count + 2 :] == [("soft_limit", 101)]


def test_the_sql_decides_like_the_declarations_at_chosen_percentages(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "10")
    limit(org, "hard", "20")
    set_entitlements(org, {"users": 3, "projects": 1, "gpu_seconds_per_year": 100})
    use(acme, 15, project="web", quantities={"requests": 15, "gpu_seconds": 85})
    lists = ([1, 50, 75, 76, 150, 151], [50, 85, 86, 100, 500])
    set_percents(org.pk, dict(zip(("limits", "entitlements"), lists, strict=True)))

    reached = {
        (row.kind.slug, row.kind.threshold, row.measurement.subject)
        for row in find_changes([org.pk], now=NOW).thresholds
        if row.kind.percent_list
    }
    percents = AlertPercents(tuple(lists[0]), tuple(lists[1]))
    assert reached == {
        (kind.slug, kind.threshold, row.subject)
        for row in measure(org.pk, now=NOW)
        for kind in kinds_at(percents)
        if kind.measure == row.measure and kind.percent_list and row.is_reached(kind)
    }
    assert ("soft_share", 150, "") in reached
    assert ("hard_share", 75, "") in reached
    assert ("usage_share", 85, "gpu_seconds") in reached


def test_evaluation_is_flat_whatever_organizations_chose(
    acme: WhiteLabel, org: Organization
) -> None:
    rows = [make_organization(acme, f"org-{number}") for number in range(20, 26)]
    for row in (org, *rows):
        limit(row, "soft", "10")
    counts = []
    for batch in ([org], rows):
        for row in batch:
            set_percents(row.pk, {"limits": [1, 2, 3, 5, 8, 13, 21, 34]})
        with CaptureQueriesContext(
            connection,
        ) as queries:
            evaluate(*batch)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def as_(role: str, label: WhiteLabel) -> Client:
    client = Client()
    client.force_login(make_user(f"{role}-{label.slug}", role, white_label=label))
    return client


def proof(answer: Any) -> str:
    form = answer.context["percents_form"]
    return str(form["before"].value())


def test_percentages_are_previewed_and_saved_on_the_tab(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "100")
    use(acme, 70)
    tab = f"/organizations/{org.pk}/alerts/"
    url, client = f"{tab}percentages/", as_("finance", acme)
    before = proof(client.get(tab))
    data = {"limits": "60; 90%, 60", "entitlements": "", "before": before}

    shown = client.post(url, {**data, "step": "preview"}).content.decode()
    assert re.search(r'data-kind="soft_share">\s*60% of the soft limit used', shown)
    assert 'data-armed="1"' in shown
    assert 'data-removed="1"' in shown
    assert not AlertSettings.objects.exists()
    for bad in ("0", "501", "-1", "1e3", "1.5", "a", "1 2 3 4 5 6 7 8 9", "9" * 201):
        refused = client.post(url, {**data, "limits": bad, "reason": "x"})
        assert refused.status_code == 422, bad
        assert refused.context["percents_form"].errors.keys() == {"limits"}
    assert client.post(url, data).status_code == 422  # without a reason
    for role, label, status in (("viewer", acme, 403), ("finance", None, 404)):
        decoy = WhiteLabel.objects.get(slug="decoy")
        other = as_(role, label or decoy)
        assert other.post(url, {**data, "reason": "x"}).status_code == status
    assert not AlertSettings.objects.exists()

    assert client.post(url, {**data, "reason": "Asked"}).status_code == 302
    assert AlertSettings.objects.get().limit_percents == [60, 90]
    assert recorded(org) == [("soft_share", 60)]
    late = client.post(url, {**data, "limits": "70", "reason": "Tab 2"})
    text = late.content.decode()
    assert late.status_code == 409
    assert "60%, 90%" in text  # what the other one set
    assert 'value="70"' in text
    final = {**data, "limits": "70", "reason": "Tab 2", "before": proof(late)}
    assert client.post(url, final).status_code == 302
    history = client.get(f"/organizations/{org.pk}/history/").content.decode()
    assert "Asked" in history
    assert "70%" in history
    page = client.get(tab)
    assert "60% of the soft limit used" in page.content.decode()  # in the timeline


def test_percentages_are_set_with_the_limits_of_the_api(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    key = make_key(acme, "billing:write", organization=org)

    def put(**body: Any) -> Any:
        return client.put(
            "/v1/billing/limits",
            {"spending_limit_soft": 100, **body},
            "application/json",
            headers={"x-api-key": key},
        )

    body = put().json()
    names = ("limit_alert_percents", "entitlement_alert_percents")
    assert [body[name] for name in names] == [[100], [50, 80, 90, 100]]
    body = put(limit_alert_percents=[90, 80, 90]).json()
    assert [body[name] for name in names] == [[80, 90], [50, 80, 90, 100]]
    for bad in ([], [0], [501], [1.5], ["80"], [True], list(range(1, 10)), 80):
        assert put(limit_alert_percents=bad).status_code == 422
    body = put(entitlement_alert_percents=[75]).json()
    assert [body[name] for name in names] == [[80, 90], [75]]
    body = put(limit_alert_percents=None).json()
    assert [body[name] for name in names] == [[100], [75]]


def test_each_limit_is_one_row_with_a_tick_at_each_percentage(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "100")
    set_entitlements(org, {"users": 4})
    set_percents(org.pk, {"limits": [1, 40, 80, 85, 90, 95, 97, 500]})
    use(acme, 45)
    evaluate(org)
    answer = as_("viewer", acme).get(f"/organizations/{org.pk}/alerts/")
    html, bars = answer.content.decode(), answer.context["bars"]

    assert [bar.label for bar in bars] == ["soft limit", "user limit"]
    assert bars[0].width == "9%"  # of 500%
    assert bars[0].summary == (
        "45% of the soft limit used. Alerts at 1% (triggered), 40% (triggered), 80%,"
        " 85%, 90%, 95%, 97%, 500%."
    )
    assert f'aria-label="{bars[0].summary}"' in html
    assert html.count('<line class="thresholds__tick"') == 8 + 4
    assert "style=" not in html.split('id="thresholds"')[1].split("</section>")[0]
    shift = {"start": 0, "middle": 6, "end": 12}
    for bar in bars:
        labels = [
            (tick.label_y, float(tick.position[:-1]) - shift[tick.anchor])
            for tick in bar.ticks
        ]
        assert min(left for _, left in labels) >= 0
        assert max(left for _, left in labels) <= 88
        for lane in {y for y, _ in labels}:
            lefts = sorted(left for y, left in labels if y == lane)
            gaps = [after - left for left, after in pairwise(lefts)]
            assert min(gaps, default=12) >= 12
