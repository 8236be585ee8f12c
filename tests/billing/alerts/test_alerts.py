"""Alerts are recorded once for each reached threshold, with recipients and reasons."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from billing.alerts.commands.recipients import set_recipients, snooze
from billing.alerts.commands.records import resend
from billing.alerts.commands.unsubscribes import opt_in, opt_out, opt_out_token
from billing.alerts.kinds import ALERT_KINDS
from billing.alerts.queries.expectations import Scenario
from billing.alerts.queries.history import list_alerts
from billing.alerts.queries.recipients import find_recipients
from billing.alerts.queries.statuses import (
    Status,
    list_statuses,
    preview_limits,
    simulate,
)
from billing.api.queries.accounts import get_account
from billing.errors import AlreadySending, NoRecipients, NotARecipient, UnknownOptOut
from billing.models import Alert, AlertEmail, AlertEmailRecipient, AlertOptOut
from orgs.models import Entitlements, Member, Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    record,
)
from tests.support.alerts import (
    evaluate,
    limit,
    recorded_alerts,
    recorded_kinds,
    use,
    use_days,
)
from tests.support.snapshots import snapshot

frozen = pytest.mark.usefixtures("frozen")


@pytest.fixture
@snapshot
def customer(org: Organization) -> Organization:
    """Set a soft limit and a billing email, also for the decoy of the same ID."""
    for row in Organization.objects.filter(external_id="org-7"):
        address = f"{row.white_label.slug}@example.com"
        Organization.objects.filter(pk=row.pk).update(billing_email=address)
        limit(row, "soft", "10")
    org.refresh_from_db()
    make_rate(org.white_label, "2")
    return org


def addresses(organization: Organization) -> list[str]:
    rows = AlertEmailRecipient.objects.filter(alert_email__organization=organization)
    return list(rows.order_by("id").values_list("address", flat=True))


# --- recipients ---------------------------------------------------------------------


@frozen
@pytest.mark.django_db
def test_the_billing_email_receives_alerts(
    acme: WhiteLabel, customer: Organization
) -> None:
    use(acme, 5)

    [alert_email_id] = evaluate(customer)

    alert_email = AlertEmail.objects.get(pk=alert_email_id)
    assert (alert_email.kind, alert_email.state, alert_email.number) == (
        "soft_limit",
        "pending",
        1,
    )
    assert alert_email.alert is not None
    assert alert_email.alert.state == "pending"
    assert alert_email.alert.facts["recipients"] == ["acme@example.com"]
    assert addresses(customer) == ["acme@example.com"]


@frozen
@pytest.mark.django_db
def test_members_and_addresses_receive_one_email_each(
    acme: WhiteLabel, customer: Organization
) -> None:
    joined = NOW - timedelta(days=9)
    ann, deleted, mute = (
        Member.objects.create(
            organization=customer, external_id=name, email=email, added_at=joined
        )
        for name, email in (("a", "Ann@Example.com"), ("g", "g@example.com"), ("m", ""))
    )
    set_recipients(
        customer.pk,
        notifies_billing_email=True,
        member_ids=[ann.pk, deleted.pk, mute.pk],
        addresses=["ann@example.com", "ACME@example.com", "ops@example.com"],
    )
    Member.objects.filter(pk=deleted.pk).update(deleted_at=NOW)
    use(acme, 5)

    evaluate(customer)

    assert sorted(map(str.lower, addresses(customer))) == [
        "acme@example.com",
        "ann@example.com",
        "ops@example.com",
    ]


@frozen
@pytest.mark.django_db
def test_recipients_are_those_of_the_time_of_the_alert(
    acme: WhiteLabel, customer: Organization
) -> None:
    use(acme, 5)
    evaluate(customer)
    Organization.objects.filter(pk=customer.pk).update(billing_email="new@example.com")
    evaluate(customer)

    assert addresses(customer) == ["acme@example.com"]


@frozen
@pytest.mark.django_db
def test_recipients_are_replaced_and_invalid_ones_refused(
    customer: Organization,
) -> None:
    decoy = Organization.objects.exclude(pk=customer.pk).get(external_id="org-7")
    stranger = Member.objects.create(
        organization=decoy, external_id="s", email="s@example.com", added_at=NOW
    )
    for extra in (["a@example.com", "b@example.com"], ["b@example.com"]):
        set_recipients(
            customer.pk,
            notifies_billing_email=False,
            member_ids=[],
            addresses=extra,
        )

    with pytest.raises(NotARecipient):
        set_recipients(
            customer.pk,
            notifies_billing_email=True,
            member_ids=[stranger.pk],
            addresses=[],
        )
    with pytest.raises(NotARecipient):
        set_recipients(
            customer.pk,
            notifies_billing_email=True,
            member_ids=[],
            addresses=["no address"],
        )
    assert find_recipients([customer.pk])[customer.pk].addresses == ("b@example.com",)


@frozen
@pytest.mark.django_db
def test_an_alert_without_recipients_is_recorded_as_such(
    acme: WhiteLabel, customer: Organization
) -> None:
    Organization.objects.filter(pk=customer.pk).update(billing_email="")
    use(acme, 5)

    assert evaluate(customer) == []

    alert = Alert.objects.get(organization=customer)
    assert alert.state == "no_recipient"
    assert alert.reason


@frozen
@pytest.mark.django_db
def test_opt_outs_are_respected_except_for_mandatory_kinds(
    acme: WhiteLabel, customer: Organization
) -> None:
    for kind in ("soft_limit", "soft_limit"):
        token = opt_out_token(customer.pk, "ACME@example.com", kind)
        opt_out(token)
    limit(customer, "hard", "10")
    AlertOptOut.objects.create(
        organization=customer, address="acme@example.com", kind="hard_limit"
    )
    use(acme, 5)

    evaluate(customer)

    rows = Alert.objects.filter(organization=customer).order_by("kind")
    assert [(row.kind, row.state) for row in rows] == [
        ("hard_limit", "pending"),
        ("soft_limit", "no_recipient"),
    ]
    assert rows[1].reason
    assert AlertOptOut.objects.filter(kind="soft_limit").count() == 1


@frozen
@pytest.mark.django_db
def test_an_opt_out_is_for_one_organization_and_can_be_undone(
    acme: WhiteLabel, customer: Organization
) -> None:
    other = make_organization(acme, "other", billing_email="acme@example.com")
    opt_out(opt_out_token(other.pk, "acme@example.com", "soft_limit"))
    kind = ALERT_KINDS["soft_limit"]
    both = find_recipients([customer.pk, other.pk])

    assert both[customer.pk].for_kind(kind) == ["acme@example.com"]
    assert both[other.pk].for_kind(kind) == []
    opt_in(opt_out_token(other.pk, "Acme@example.com", "soft_limit"))
    assert find_recipients([other.pk])[other.pk].for_kind(kind) == ["acme@example.com"]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["hard_limit", "payment_failed", "nonsense"])
def test_mandatory_kinds_cannot_be_opted_out_of(org: Organization, kind: str) -> None:
    with pytest.raises(UnknownOptOut):
        opt_out(opt_out_token(org.pk, "a@example.com", kind))


@pytest.mark.django_db
def test_a_forged_link_changes_nothing(org: Organization) -> None:
    token = opt_out_token(org.pk, "a@example.com", "soft_limit")

    with pytest.raises(UnknownOptOut):
        opt_out(token[:-2] + "xx")
    assert not AlertOptOut.objects.exists()


@frozen
@pytest.mark.django_db
def test_a_snooze_records_and_sends_nothing(
    acme: WhiteLabel, customer: Organization
) -> None:
    snooze(customer.pk, until=NOW + timedelta(hours=2))
    use(acme, 5)

    assert evaluate(customer) == []
    assert evaluate(customer, now=NOW + timedelta(hours=3)) == []

    alert = Alert.objects.get(organization=customer)
    assert alert.state == "suppressed"
    assert "Nov 21, 2026, 14:00 UTC" in alert.reason


@frozen
@pytest.mark.django_db
def test_emails_are_sent_after_a_snooze_has_ended(
    acme: WhiteLabel, customer: Organization
) -> None:
    snooze(customer.pk, until=NOW)
    use(acme, 5)

    assert len(evaluate(customer)) == 1


# --- once ---------------------------------------------------------------------------


@pytest.mark.usefixtures("committed")
def test_a_hundred_concurrent_recordings_trigger_each_alert_once(
    acme: WhiteLabel, customer: Organization
) -> None:
    """Each recording is followed by an evaluation, as by that many workers."""
    limit(customer, "hard", "100")
    barrier = threading.Barrier(8)

    def one(number: int) -> None:
        if number < 8:
            barrier.wait()
        try:
            record(acme, [event(f"e-{number}", quantities={"requests": 1})])
            evaluate(customer)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(100)))

    assert recorded_kinds(customer) == ["hard_limit", "soft_limit"]
    assert AlertEmail.objects.count() == 2
    values = [row.facts["value"] for row in Alert.objects.order_by("kind")]
    assert Decimal(values[0]) >= 100
    assert Decimal(values[1]) >= 10


@frozen
@pytest.mark.django_db
def test_a_failure_before_the_commit_leaves_nothing_behind(
    acme: WhiteLabel, customer: Organization
) -> None:
    use(acme, 5)
    with transaction.atomic():
        evaluate(customer)
        transaction.set_rollback(True)
    assert (Alert.objects.count(), AlertEmail.objects.count()) == (0, 0)

    evaluate(customer)

    assert (Alert.objects.count(), AlertEmail.objects.count()) == (1, 1)


@frozen
@pytest.mark.django_db
def test_an_alert_whose_email_cannot_be_written_is_not_recorded(
    acme: WhiteLabel, customer: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(acme, 5)
    with monkeypatch.context() as patch:
        patch.setattr("billing.alerts.commands.records.new_message_id", lambda: "")
        with pytest.raises(IntegrityError, match="given"), transaction.atomic():
            evaluate(customer)

    assert not Alert.objects.exists()


@frozen
@pytest.mark.django_db
def test_an_alert_has_the_white_label_of_its_organization(
    acme: WhiteLabel, customer: Organization
) -> None:
    use(acme, 5)
    evaluate(customer)

    assert Alert.objects.get().white_label == acme


# --- sending again ------------------------------------------------------------------


def finish(alert_email: AlertEmail) -> None:
    now = timezone.now()
    AlertEmail.objects.filter(pk=alert_email.pk).update(state="done", finished_at=now)
    alert_email.recipients.update(state="sent", finished_at=now)
    Alert.objects.filter(alert_emails=alert_email).update(state="sent", sent_at=now)


@frozen
@pytest.mark.django_db
def test_a_resent_email_goes_to_the_current_recipients(
    acme: WhiteLabel, customer: Organization
) -> None:
    use(acme, 5)
    evaluate(customer)
    first, alert = AlertEmail.objects.get(), Alert.objects.get()
    with pytest.raises(AlreadySending):
        resend(alert.pk, by="ann")
    finish(first)
    Organization.objects.filter(pk=customer.pk).update(billing_email="new@example.com")

    second = resend(alert.pk, by="ann")

    assert (second.number, second.requested_by) == (2, "ann")
    assert second.message_id != first.message_id
    assert addresses(customer) == ["acme@example.com", "new@example.com"]


@frozen
@pytest.mark.django_db
def test_an_email_without_recipients_is_not_resent(
    acme: WhiteLabel, customer: Organization
) -> None:
    Organization.objects.filter(pk=customer.pk).update(billing_email="")
    use(acme, 5)
    evaluate(customer)

    with pytest.raises(NoRecipients):
        resend(Alert.objects.get().pk, by="ann")


@frozen
@pytest.mark.django_db
def test_contract_b_returns_when_emails_of_the_open_period_were_sent(
    acme: WhiteLabel, customer: Organization
) -> None:
    use(acme, 5)
    evaluate(customer)
    assert get_account(customer).alerts == {}

    finish(AlertEmail.objects.get())
    Alert.objects.create(
        organization=customer, kind="hard_limit", threshold=1, period="0", facts={},
        billing_period=7, state="sent", sent_at=NOW,
    )  # fmt: skip

    assert get_account(customer).alerts == {"soft_limit": NOW}


# --- alert statuses -----------------------------------------------------------------


def statuses(organization: Organization, kind: str) -> list[tuple[str, str]]:
    """Return each status, and the figures in its explanation."""
    rows = list_statuses(organization.pk, now=NOW, kind=kind)
    return [(row.status, figures_in(row.explanation)) for row in rows]


def figures_in(text: str) -> str:
    return " ".join(re.findall(r"\w{3} \d+, \d{4}(?:, \d\d:\d\d UTC)?|\d+%", text))


@frozen
@pytest.mark.django_db
def test_the_status_explains_why_an_alert_is_sent_or_not(
    acme: WhiteLabel, customer: Organization
) -> None:
    kind = "soft_limit"
    use(acme, 1)
    assert statuses(customer, kind) == [("not_reached", "20% 100%")]
    assert statuses(customer, "hard_limit") == [("not_applicable", "")]

    use(acme, 4, "e-2")
    assert statuses(customer, kind) == [("will_be_sent", "")]

    snooze(customer.pk, until=NOW + timedelta(hours=2))
    assert statuses(customer, kind) == [("snoozed", "Nov 21, 2026, 14:00 UTC")]

    snooze(customer.pk, until=None)
    Organization.objects.filter(pk=customer.pk).update(billing_email="")
    assert statuses(customer, kind) == [("no_recipients", "")]

    evaluate(customer)
    [status] = list_statuses(customer.pk, now=NOW, kind=kind)
    assert (status.status, status.alert) == (Status.TRIGGERED, Alert.objects.get())


@frozen
@pytest.mark.django_db
def test_a_missing_day_is_insufficient_data(
    acme: WhiteLabel, customer: Organization
) -> None:
    use_days(acme, [5] * 6 + [500], last=NOW - timedelta(days=1))

    assert statuses(customer, "spike") == [("insufficient_data", "")]


@frozen
@pytest.mark.django_db
def test_below_a_limit_is_inconclusive_while_a_day_is_missing(
    acme: WhiteLabel, customer: Organization
) -> None:
    """Late usage may still raise the cost, but never the number of users."""
    limit(customer, "soft", "1000")
    Entitlements.objects.create(
        organization=customer, gpu_seconds_per_year=100, users=2, projects=1
    )
    days = [5] * 20
    use_days(acme, days, last=NOW - timedelta(days=1))
    assert statuses(customer, "soft_limit") == [("not_reached", "20% 100%")]

    later = NOW + timedelta(days=1)
    [soft] = list_statuses(customer.pk, now=later, kind="soft_limit")
    assert (soft.status, figures_in(soft.explanation)) == (
        "insufficient_data",
        "20% Nov 20, 2026",
    )
    rows = list_statuses(customer.pk, now=later, kind="usage_50")
    assert [(row.subject, row.status) for row in rows] == [
        ("gpu_seconds", "insufficient_data"),
        ("projects", "not_reached"),
        ("users", "not_reached"),
    ]


@frozen
@pytest.mark.django_db
def test_a_simulated_cost_lists_the_alerts_it_would_trigger(
    acme: WhiteLabel, customer: Organization
) -> None:
    limit(customer, "hard", "20")
    use(acme, 1)

    def would_trigger(spend: str) -> list[str]:
        rows = simulate(customer.pk, Scenario(spend=Decimal(spend)), now=NOW)
        return [row.kind.slug for row in rows]

    assert would_trigger("9.99") == []
    assert would_trigger("10") == ["soft_limit"]
    assert would_trigger("20") == ["soft_limit", "hard_limit"]
    assert not Alert.objects.exists()


@frozen
@pytest.mark.django_db
def test_edited_limits_list_the_alerts_they_would_trigger(
    acme: WhiteLabel, customer: Organization
) -> None:
    use(acme, 5)
    evaluate(customer)

    def would_trigger(soft: str | None, hard: str | None) -> list[str]:
        rows = preview_limits(
            customer.pk,
            soft=None if soft is None else Decimal(soft),
            hard=None if hard is None else Decimal(hard),
            now=NOW,
        )
        return [row.kind.slug for row in rows]

    assert would_trigger("10", None) == []  # recorded already
    assert would_trigger("9", None) == ["soft_limit"]
    assert would_trigger("10", "10") == ["hard_limit"]
    assert would_trigger(None, None) == []
    assert recorded_kinds(customer) == ["soft_limit"]


@frozen
@pytest.mark.django_db
def test_the_timeline_lists_one_organization_only(
    acme: WhiteLabel, customer: Organization
) -> None:
    other = make_organization(acme, "other", billing_email="other@example.com")
    limit(other, "soft", "2")
    record(acme, [event("o", organization="other")])
    use(acme, 5)
    evaluate(customer, other)

    [alert] = list_alerts(customer.pk)

    assert alert.organization_id == customer.pk
    [alert_email] = alert.alert_emails.all()
    assert [recipient.address for recipient in alert_email.recipients.all()] == [
        "acme@example.com"
    ]
    assert list_alerts(customer.pk, before=alert.pk) == []


@frozen
@pytest.mark.django_db
def test_each_organization_receives_its_alerts_only(
    acme: WhiteLabel, customer: Organization
) -> None:
    decoy = Organization.objects.exclude(pk=customer.pk).get(external_id="org-7")
    make_rate(decoy.white_label, "1")
    record(decoy.white_label, [event("x", quantities={"requests": 11})])

    evaluate(customer, decoy)

    assert recorded_alerts(customer) == []
    assert addresses(decoy) == ["decoy@example.com"]


# --- declarations -------------------------------------------------------------------


def test_each_kind_is_declared_once_and_escalations_are_ordered() -> None:
    assert list(ALERT_KINDS) == [
        "soft_limit", "hard_limit", "soft_share", "hard_share", "usage_50", "usage_80",
        "usage_90", "usage_100", "usage_share", "payment_failed", "usage_reset",
        "trial_7", "trial_1", "balance_80", "balance_used", "pace", "spike", "unpriced",
        "webhook_disabled", "stale_data",
    ]  # fmt: skip
    assert ALERT_KINDS["trial_1"].supersedes(ALERT_KINDS["trial_7"])
    later = [
        kind
        for kind in ALERT_KINDS.values()
        if kind.supersedes(ALERT_KINDS["usage_80"])
    ]
    assert [row.slug for row in later] == ["usage_90", "usage_100"]
    assert ALERT_KINDS["usage_share"].at(85).supersedes(ALERT_KINDS["usage_80"])
    assert not ALERT_KINDS["hard_share"].at(120).supersedes(ALERT_KINDS["hard_limit"])
    assert [kind.slug for kind in ALERT_KINDS.values() if kind.is_mandatory] == [
        "hard_limit",
        "payment_failed",
    ]


@pytest.mark.parametrize(
    ("kind", "value", "base", "is_reached"),
    [
        ("usage_80", "79.999", "100", False),
        ("usage_80", "80", "100", True),
        ("usage_50", "0", "0", False),
        ("usage_100", "1", "0", True),
        ("spike", "29.9", "10", False),
        ("spike", "30", "10", True),
        ("trial_7", "7", "0", True),
        ("trial_7", "7.001", "0", False),
    ],
)
def test_a_threshold_is_reached_at_equality(
    kind: str, value: str, base: str, is_reached: bool
) -> None:
    assert ALERT_KINDS[kind].is_reached(Decimal(value), Decimal(base)) is is_reached
