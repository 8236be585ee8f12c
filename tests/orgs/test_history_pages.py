"""The history in sentences: texts, authors, filters, paging, and CSV."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pghistory
import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from billing.ledger.commands.credits import (
    grant_credit,
    lock_account,
    take_back_credit,
    use_credit,
)
from billing.ledger.commands.limits import change_limit
from billing.ledger.commands.periods import close_period_manually
from billing.models import (
    AlertRecipient,
    AlertSettings,
    BillingAccount,
    BillingPeriod,
    Charge,
    ChargeDecision,
    Invoice,
    StripeAction,
)
from metrics.models import Correction, UsageVoid
from orgs.commands.editing import set_entitlements
from orgs.models import ApiKey, Organization, User, WhiteLabel
from orgs.queries import history
from orgs.queries.history import (
    HistoryFilters,
    _tables,
    history_page,
    tracked_labels,
)
from orgs.web.history import DESCRIPTIONS
from tests.factories import (
    NOW,
    event,
    make_key,
    make_organization,
    make_rate,
    make_user,
    record,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture
def staff(client: Client) -> User:
    user = make_user("demo", "operator")
    User.objects.filter(pk=user.pk).update(first_name="Demo", last_name="Operator")
    client.force_login(user)
    return user


def lines(client: Client, org: Organization | None, **query: str) -> list[str]:
    """Return the sentences of a history page with their authors and reasons."""
    name, args = ("orgs:history", [org.pk]) if org else ("orgs:fleet_history", [])
    response = client.get(reverse(name, args=args), query)
    assert response.status_code == 200, response.content
    return [
        f"{e.text} by {e.actor.name}" + (f": {e.reason}" if e.reason else "")
        for e in response.context["entries"]
    ]


def test_every_model_with_a_history_has_a_description_of_each_column() -> None:
    assert tracked_labels() == set(DESCRIPTIONS)
    for table in _tables():
        missing = set(table.columns) - DESCRIPTIONS[table.label].described
        assert not missing, table.label


def test_changes_are_sentences_with_names_units_and_reasons(
    org: Organization, staff: User, client: Client
) -> None:
    change_limit(org.pk, kind="hard", amount=Decimal(650))
    set_entitlements(org, {"storage_bytes": 2**40})
    set_entitlements(
        org, {"storage_bytes": 8 * 2**40, "compute_seconds_per_year": 7_200}
    )
    set_entitlements(org, {"storage_bytes": None})
    member = org.members.create(external_id="u", name="Ann", email="ann@x.example")
    member.role = "admin"
    member.save()
    member.deleted_at = NOW
    member.save()
    AlertRecipient.objects.create(organization=org, member=member)
    org.projects.create(external_id="p", name="Vision").delete()
    Organization.objects.filter(pk=org.pk).update(rate_limit=70, is_active=False)
    make_rate(org.white_label, "0.0000025", organization=org)
    # The last one: the context stays until the transaction ends.
    with pghistory.context(username="demo", note="customer asked"):
        change_limit(org.pk, kind="hard", amount=Decimal(900))

    listed = lines(client, org)

    assert "Hard limit set to $650.00 by System" in listed
    assert (
        "Hard limit raised from $650.00 to $900.00 by Demo Operator: customer asked"
        in listed
    )
    assert "Storage entitlement set to 1 TiB by System" in listed
    assert (
        "Storage entitlement raised from 1 TiB to 8 TiB; compute entitlement per year"
        " set to 2 h by System"
    ) in listed
    assert "Storage entitlement removed (was 8 TiB) by System" in listed
    assert "Member Ann (ann@x.example) added as member by System" in listed
    assert (
        "Member Ann (ann@x.example): role changed from member to admin by System"
        in listed
    )
    assert "Member Ann (ann@x.example) removed by System" in listed
    assert "Alert recipient Ann added by System" in listed
    assert "Project Vision removed by System" in listed
    assert (
        "Organization Org-7 deactivated; rate limit set to 70 requests per minute"
        " by System"
    ) in listed
    price = "Price of gpt requests set to $0.0000025 per request by System"
    assert price in listed


def test_amounts_and_times_are_in_the_currency_and_zone_of_the_white_label(
    staff: User, client: Client, acme: WhiteLabel
) -> None:
    zurich = WhiteLabel.objects.create(
        slug="zurich", name="Z", time_zone="Europe/Zurich", currency="eur"
    )
    org = make_organization(zurich, "o")
    change_limit(org.pk, kind="soft", amount=Decimal(5))
    set_snooze(org)

    listed = lines(client, org)
    assert "Soft limit set to €5.00 by System" in listed
    until = "Nov 22, 2026, 13:00 CET"
    assert f"Alert emails snoozed until {until} by System" in listed


def set_snooze(org: Organization) -> None:
    until = datetime(2026, 11, 22, 12, tzinfo=UTC)
    AlertSettings.objects.create(organization=org, snoozed_until=until)


def test_keys_tasks_and_commands_are_authors(
    org: Organization, staff: User, client: Client
) -> None:
    key = make_key(org.white_label, "organizations:write")
    url = f"/api/v1/organizations/{org.pk}"
    headers = {"x-api-key": key}
    data = {"name": "By a key"}
    client.patch(url, data, content_type="application/json", headers=headers)
    with pghistory.context(task="orgs.tasks.run_job", asked_by="ann"):
        Organization.objects.filter(pk=org.pk).update(domain="a.example")
    with pghistory.context(command="load_organizations"):
        Organization.objects.filter(pk=org.pk).update(domain="b.example")

    listed = lines(client, org)

    assert (
        f"Name changed from Org-7 to By a key by API key test ({key[:10]}…)" in listed
    )
    assert (
        "Domain set to a.example by System (task run_job, asked for by ann)" in listed
    )
    last = "Domain changed from a.example to b.example"
    assert f"{last} by System (command load_organizations)" in listed
    slug = next(
        e.actor.slug
        for e in client.get(reverse("orgs:history", args=[org.pk])).context["entries"]
        if e.actor.kind == "api_key"
    )
    assert len(lines(client, org, by=slug)) == 1


@pytest.mark.parametrize("rare_changes", [2_000, 0])
def test_changes_are_filtered_by_author_kind_and_day(
    org: Organization,
    staff: User,
    client: Client,
    rare_changes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of a rare author are found by an index, of a frequent one by time."""
    monkeypatch.setattr(history, "_MAX_CONTEXTS", rare_changes)
    with pghistory.context(username="demo"):
        change_limit(org.pk, kind="hard", amount=Decimal(1))

    limit = ["Hard limit set to $1.00 by Demo Operator"]
    for by in ("demo", "DEMO", "Demo Operator"):
        assert lines(client, org, by=by) == limit
    assert lines(client, org, kind="limits") == limit
    assert limit[0] not in lines(client, org, by="system")
    assert not lines(client, org, by="nobody")


@pytest.mark.parametrize(
    "query",
    [
        {"kind": "nonsense"},
        {"from": "yesterday"},
        {"to": "1900-01-01"},
        {"from": "2026-11-22", "to": "2026-11-21"},
        {"noise": "maybe"},
        {"cursor": "forged"},
        {"by": "a\x00b"},
    ],
)
def test_a_filter_that_is_not_understood_is_refused(
    org: Organization, staff: User, client: Client, query: dict[str, str]
) -> None:
    assert client.get(reverse("orgs:fleet_history"), query).status_code == 400


def test_updates_of_the_sync_are_hidden_until_they_are_asked_for(
    org: Organization, staff: User, client: Client
) -> None:
    BillingAccount.objects.update_or_create(organization=org)
    BillingAccount.objects.filter(pk=org.pk).update(last_invoice_at=NOW)
    invoice = Invoice.objects.create(
        organization=org,
        stripe_id="in_1",
        number="EXT-1",
        status="open",
        currency="eur",
        total=5,
        amount_due=5,
        issued_at=NOW,
    )
    Invoice.objects.filter(pk=invoice.pk).update(hosted_url="https://a.example/")
    Invoice.objects.filter(pk=invoice.pk).update(
        hosted_url="https://b.example/", status="paid"
    )

    quiet = lines(client, org, kind="invoices")
    assert quiet == [
        "Invoice EXT-1: status changed from open to paid by System",
        "Invoice EXT-1 of Nov 21, 2026: €5.00, open by System",
    ]
    assert len(lines(client, org, kind="invoices", noise="1")) == 3
    assert not [t for t in lines(client, org, kind="billing") if "last sync" in t]


def test_pages_have_each_change_once(
    org: Organization, staff: User, client: Client
) -> None:
    for number in range(120):
        Organization.objects.filter(pk=org.pk).update(domain=f"{number}.example")
        org.projects.create(external_id=str(number), name=f"p{number}")
    url, listed = reverse("orgs:history", args=[org.pk]), []

    address = f"{url}?"
    for _ in range(3):
        context = client.get(address).context
        listed += [entry.change.key for entry in context["entries"]]
        address = f"{url}{context['next_url']}"

    assert not context["next_url"]
    assert len(listed) == len(set(listed)) == 241
    other = client.get(
        reverse("orgs:fleet_history") + context["first_url"].replace("?", "?cursor=x&")
    )
    assert other.status_code == 400


def test_the_csv_has_all_filtered_changes(
    org: Organization, staff: User, client: Client
) -> None:
    for number in range(130):
        org.projects.create(external_id=str(number), name=f"=p{number}")

    response = client.get(
        reverse("billing:history_csv", args=[org.pk]), {"kind": "projects"}
    )

    text = response.getvalue().decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 130
    assert rows[0]["change"] == "Project =p129 added"
    assert rows[0]["organization_id"] == str(org.pk)
    assert rows[0]["changed_by"] == "System"


def test_the_fleet_page_has_only_what_the_user_may_see(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    Organization.objects.filter(pk=decoy.pk).update(name="Hidden decoy")
    Organization.objects.filter(pk=org.pk).update(name="Shown org")
    make_rate(decoy.white_label, "3", product="hidden-price")
    bound = make_user("bound", "operator", white_label=acme, is_staff=False)
    client.force_login(bound)

    listed = " ".join(lines(client, None))
    assert "Shown org" in listed
    assert "decoy" not in listed.lower()
    assert "hidden-price" not in listed
    assert "Account" not in listed

    client.force_login(make_user("boss", is_superuser=True))
    everything = " ".join(lines(client, None))
    assert "Hidden decoy" in everything
    assert "hidden-price" in everything
    assert "Account boss added" in everything

    client.force_login(make_user("eve", "operator", is_staff=False))
    assert not lines(client, None)


def test_a_role_without_billing_reads_no_money_in_the_history(
    org: Organization, client: Client
) -> None:
    change_limit(org.pk, kind="hard", amount=Decimal(650))
    user = make_user("reader")
    user.user_permissions.set(Permission.objects.filter(codename="view_organization"))
    client.force_login(user)

    assert not [line for line in lines(client, org) if "$" in line]


def test_days_limit_the_changes(org: Organization, staff: User, client: Client) -> None:
    assert not lines(client, org, to="2020-01-01")
    assert lines(client, org, **{"from": "2020-01-01"})


# --- ledgers --------------------------------------------------------------------------


@pytest.fixture
def booked(org: Organization) -> Organization:
    """Change balances, close a period, and request an action, by several authors."""
    key = ApiKey.objects.get(start=make_key(org.white_label, "billing:write")[:10])
    for amount, by in ((40, "demo"), (15, f"key {key.pk}")):
        grant_credit(
            org.pk, kind="credit", amount=Decimal(amount), note=f"for {by}", by=by
        )
    less: Any = {"kind": "credit", "amount": Decimal(5)}
    take_back_credit(org.pk, note="too much", by="demo", **less)
    make_rate(org.white_label, "2", product="gpt")
    at = (NOW - timedelta(hours=1)).isoformat()
    record(org.white_label, [event("e", timestamp=at, quantities={"requests": 5})])
    close_period_manually(org.pk, by="demo", note="end of pilot", key="k")
    action = StripeAction.objects.create(
        organization=org,
        kind="pause",
        parameters={"summary": "The subscription is paused."},
        note="holidays",
        requested_by="demo",
    )
    ended = {"state": "failed", "error": "No card.", "finished_at": NOW}
    StripeAction.objects.filter(pk=action.pk).update(**ended)
    period = BillingPeriod.objects.get(organization=org, number=1)
    use_credit(lock_account(org.pk), period, Decimal(3), key="again")
    charge = Charge.objects.create(
        period=period, product="claude", cost=10, amount=10, currency="usd"
    )
    ChargeDecision.objects.create(
        charge=charge, kind="write_off", amount=Decimal(10), note="goodwill", by="demo"
    )
    return org


def test_ledgers_are_in_the_history_with_author_and_note(
    booked: Organization, staff: User, client: Client
) -> None:
    listed = lines(client, booked)

    author = "by Demo Operator"
    paused = "Pause subscription (The subscription is paused): failed: No card."
    charged = "Charge for claude of billing period 1: $10.00 written off"
    for sentence in (
        f"Credit of $40.00 added {author}: for demo",
        f"Credit of $5.00 removed {author}: too much",
        f"{paused} {author}: holidays",
        f"{charged} {author}: goodwill",
    ):
        assert sentence in listed, listed
    assert [t for t in listed if t.startswith("Credit of $15.00 added by API key test")]
    assert "Credit of $3.00 used by billing period 1 by System: " in " ".join(listed)
    [closed] = [t for t in listed if t.startswith("Billing period 1 closed")]
    assert closed.endswith("cost $10.00 by Demo Operator: end of pilot")


def test_ledgers_are_filtered_and_paged_like_other_changes(
    booked: Organization, staff: User, client: Client
) -> None:
    key = ApiKey.objects.get(name="test", white_label=booked.white_label)
    for by, number in (("demo", 5), (f"key:{key.pk}", 1), ("nobody", 0)):
        assert len(lines(client, booked, by=by, kind="billing")) == number, by
    assert [t for t in lines(client, booked, by="system") if "used by billing" in t]
    fleet = lines(client, None, kind="billing")
    assert fleet == lines(client, booked, kind="billing")
    assert not lines(client, booked, kind="billing", to="2020-01-01")
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    assert not lines(client, decoy, kind="billing")
    page = history_page(HistoryFilters(organization_id=booked.pk), size=3, scope="")
    after = history_page(
        HistoryFilters(organization_id=booked.pk),
        size=100,
        scope="",
        cursor=page.next_cursor or "",
    )
    seen = [change.key for change in (*page.changes, *after.changes)]
    assert len(seen) == len(set(seen)) > 6


def test_corrections_of_usage_are_in_the_history_of_who_they_concern(
    booked: Organization, staff: User, client: Client
) -> None:
    correction = Correction.objects.create(
        white_label=booked.white_label,
        kind="void",
        by="demo",
        note="sent twice",
        cost=Decimal(-4),
        started_at=NOW,
    )
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    UsageVoid.objects.create(
        organization_id=booked.pk,
        event_id="e",
        at=NOW,
        period=1,
        open_period=1,
        correction_id=correction.pk,
    )

    text = "Usage voided: cost lowered by $4.00 by Demo Operator: sent twice"
    assert lines(client, booked, kind="usage") == [text]
    assert lines(client, None, kind="usage") == [text]
    assert not lines(client, decoy, kind="usage")
