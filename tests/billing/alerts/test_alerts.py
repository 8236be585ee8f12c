"""The ledger: once for each crossing, to whom, and why not."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from billing.alerts.commands.ledger import send_again
from billing.alerts.commands.recipients import (
    opt_in,
    opt_out,
    opt_out_token,
    set_recipients,
    snooze,
)
from billing.alerts.kinds import ALERT_KINDS, is_beyond
from billing.alerts.queries.explaining import Verdict, explain, preview_limits, simulate
from billing.alerts.queries.listing import list_alerts
from billing.alerts.queries.measuring import Suppose
from billing.alerts.queries.recipients import find_recipients
from billing.api.queries.accounts import account
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
from tests.support.alerts import kinds, ledger, limit, look, use, use_days

frozen = pytest.mark.usefixtures("frozen")


@pytest.fixture
def told(org: Organization) -> Organization:
    """It has a billing e-mail, as has the decoy of that name in another white label."""
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


# --- who is told --------------------------------------------------------------------


@frozen
@pytest.mark.django_db
def test_the_billing_email_is_told(acme: WhiteLabel, told: Organization) -> None:
    use(acme, 5)

    [alert_email_id] = look(told)

    alert_email = AlertEmail.objects.get(pk=alert_email_id)
    assert (alert_email.kind, alert_email.state, alert_email.number) == (
        "soft_limit",
        "pending",
        1,
    )
    assert alert_email.alert is not None
    assert alert_email.alert.state == "pending"
    assert alert_email.alert.facts["recipients"] == ["acme@example.com"]
    assert addresses(told) == ["acme@example.com"]


@frozen
@pytest.mark.django_db
def test_members_and_addresses_are_told_once_each(
    acme: WhiteLabel, told: Organization
) -> None:
    joined = NOW - timedelta(days=9)
    ann, gone, mute = (
        Member.objects.create(
            organization=told, external_id=name, email=email, added_at=joined
        )
        for name, email in (("a", "Ann@Example.com"), ("g", "g@example.com"), ("m", ""))
    )
    set_recipients(
        told.pk,
        notifies_billing_email=True,
        member_ids=[ann.pk, gone.pk, mute.pk],
        addresses=["ann@example.com", "ACME@example.com", "ops@example.com"],
    )
    Member.objects.filter(pk=gone.pk).update(deleted_at=NOW)
    use(acme, 5)

    look(told)

    assert sorted(map(str.lower, addresses(told))) == [
        "acme@example.com",
        "ann@example.com",
        "ops@example.com",
    ]


@frozen
@pytest.mark.django_db
def test_recipients_are_those_of_the_crossing(
    acme: WhiteLabel, told: Organization
) -> None:
    use(acme, 5)
    look(told)
    Organization.objects.filter(pk=told.pk).update(billing_email="new@example.com")
    look(told)

    assert addresses(told) == ["acme@example.com"]


@frozen
@pytest.mark.django_db
def test_recipients_are_replaced_and_strangers_refused(told: Organization) -> None:
    decoy = Organization.objects.exclude(pk=told.pk).get(external_id="org-7")
    stranger = Member.objects.create(
        organization=decoy, external_id="s", email="s@example.com", added_at=NOW
    )
    for some in (["a@example.com", "b@example.com"], ["b@example.com"]):
        set_recipients(
            told.pk, notifies_billing_email=False, member_ids=[], addresses=some
        )

    with pytest.raises(NotARecipient):
        set_recipients(
            told.pk,
            notifies_billing_email=True,
            member_ids=[stranger.pk],
            addresses=[],
        )
    with pytest.raises(NotARecipient):
        set_recipients(
            told.pk,
            notifies_billing_email=True,
            member_ids=[],
            addresses=["no address"],
        )
    assert find_recipients([told.pk])[told.pk].addresses == ("b@example.com",)


@frozen
@pytest.mark.django_db
def test_nobody_to_tell_is_seen(acme: WhiteLabel, told: Organization) -> None:
    Organization.objects.filter(pk=told.pk).update(billing_email="")
    use(acme, 5)

    assert look(told) == []

    alert = Alert.objects.get(organization=told)
    assert alert.state == "no_recipient"
    assert alert.reason


@frozen
@pytest.mark.django_db
def test_who_opted_out_is_not_told_but_of_duties(
    acme: WhiteLabel, told: Organization
) -> None:
    for kind in ("soft_limit", "soft_limit"):
        token = opt_out_token(told.pk, "ACME@example.com", kind)
        opt_out(token)
    limit(told, "hard", "10")
    AlertOptOut.objects.create(
        organization=told, address="acme@example.com", kind="hard_limit"
    )
    use(acme, 5)

    look(told)

    rows = Alert.objects.filter(organization=told).order_by("kind")
    assert [(row.kind, row.state) for row in rows] == [
        ("hard_limit", "pending"),
        ("soft_limit", "no_recipient"),
    ]
    assert rows[1].reason
    assert AlertOptOut.objects.filter(kind="soft_limit").count() == 1


@frozen
@pytest.mark.django_db
def test_opting_out_is_of_one_organization_and_taken_back(
    acme: WhiteLabel, told: Organization
) -> None:
    other = make_organization(acme, "other", billing_email="acme@example.com")
    opt_out(opt_out_token(other.pk, "acme@example.com", "soft_limit"))
    kind = ALERT_KINDS["soft_limit"]
    both = find_recipients([told.pk, other.pk])

    assert both[told.pk].of(kind) == ["acme@example.com"]
    assert both[other.pk].of(kind) == []
    opt_in(other.pk, "Acme@example.com", "soft_limit")
    assert find_recipients([other.pk])[other.pk].of(kind) == ["acme@example.com"]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["hard_limit", "payment_failed", "nonsense"])
def test_nobody_opts_out_of_a_duty(org: Organization, kind: str) -> None:
    with pytest.raises(UnknownOptOut):
        opt_out(opt_out_token(org.pk, "a@example.com", kind))


@pytest.mark.django_db
def test_a_forged_link_opts_nobody_out(org: Organization) -> None:
    token = opt_out_token(org.pk, "a@example.com", "soft_limit")

    with pytest.raises(UnknownOptOut):
        opt_out(token[:-2] + "xx")
    assert not AlertOptOut.objects.exists()


@frozen
@pytest.mark.django_db
def test_a_snooze_records_and_sends_nothing(
    acme: WhiteLabel, told: Organization
) -> None:
    snooze(told.pk, until=NOW + timedelta(hours=2))
    use(acme, 5)

    assert look(told) == []
    assert look(told, now=NOW + timedelta(hours=3)) == []

    alert = Alert.objects.get(organization=told)
    assert alert.state == "suppressed"
    assert "Nov 21, 2026, 14:00 UTC" in alert.reason


@frozen
@pytest.mark.django_db
def test_a_snooze_that_is_over_sends(acme: WhiteLabel, told: Organization) -> None:
    snooze(told.pk, until=NOW)
    use(acme, 5)

    assert len(look(told)) == 1


# --- once ---------------------------------------------------------------------------


@pytest.mark.usefixtures("committed")
def test_a_hundred_recordings_at_once_cross_two_limits_once(
    acme: WhiteLabel, told: Organization
) -> None:
    """Each is followed by an evaluation of its own, as by so many workers."""
    limit(told, "hard", "100")
    barrier = threading.Barrier(8)

    def one(number: int) -> None:
        if number < 8:
            barrier.wait()
        try:
            record(acme, [event(f"e-{number}", quantities={"requests": 1})])
            look(told)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(100)))

    assert kinds(told) == ["hard_limit", "soft_limit"]
    assert AlertEmail.objects.count() == 2
    values = [row.facts["value"] for row in Alert.objects.order_by("kind")]
    assert Decimal(values[0]) >= 100
    assert Decimal(values[1]) >= 10


@frozen
@pytest.mark.django_db
def test_what_dies_before_the_commit_has_done_nothing(
    acme: WhiteLabel, told: Organization
) -> None:
    use(acme, 5)
    with transaction.atomic():
        look(told)
        transaction.set_rollback(True)
    assert (Alert.objects.count(), AlertEmail.objects.count()) == (0, 0)

    look(told)

    assert (Alert.objects.count(), AlertEmail.objects.count()) == (1, 1)


@frozen
@pytest.mark.django_db
def test_a_letter_that_cannot_be_written_takes_its_alert_with_it(
    acme: WhiteLabel, told: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(acme, 5)
    with monkeypatch.context() as patch:
        patch.setattr("billing.alerts.commands.ledger.new_message_id", lambda: "")
        with pytest.raises(IntegrityError, match="given"), transaction.atomic():
            look(told)

    assert not Alert.objects.exists()


@frozen
@pytest.mark.django_db
def test_alerts_are_of_the_white_label_of_their_organization(
    acme: WhiteLabel, told: Organization
) -> None:
    use(acme, 5)
    look(told)

    assert Alert.objects.get().white_label == acme


# --- sending again ------------------------------------------------------------------


def finish(alert_email: AlertEmail) -> None:
    now = timezone.now()
    AlertEmail.objects.filter(pk=alert_email.pk).update(state="done", finished_at=now)
    alert_email.recipients.update(state="sent", settled_at=now)
    Alert.objects.filter(alert_emails=alert_email).update(state="sent", sent_at=now)


@frozen
@pytest.mark.django_db
def test_sending_again_is_another_letter_to_those_of_now(
    acme: WhiteLabel, told: Organization
) -> None:
    use(acme, 5)
    look(told)
    first, alert = AlertEmail.objects.get(), Alert.objects.get()
    with pytest.raises(AlreadySending):
        send_again(alert.pk, by="ann")
    finish(first)
    Organization.objects.filter(pk=told.pk).update(billing_email="new@example.com")

    second = send_again(alert.pk, by="ann")

    assert (second.number, second.requested_by) == (2, "ann")
    assert second.message_id != first.message_id
    assert addresses(told) == ["acme@example.com", "new@example.com"]


@frozen
@pytest.mark.django_db
def test_nothing_is_sent_again_to_nobody(acme: WhiteLabel, told: Organization) -> None:
    Organization.objects.filter(pk=told.pk).update(billing_email="")
    use(acme, 5)
    look(told)

    with pytest.raises(NoRecipients):
        send_again(Alert.objects.get().pk, by="ann")


@frozen
@pytest.mark.django_db
def test_contract_b_says_when_letters_of_the_open_period_went_out(
    acme: WhiteLabel, told: Organization
) -> None:
    use(acme, 5)
    look(told)
    assert account(told).alerts == {}

    finish(AlertEmail.objects.get())
    Alert.objects.create(
        organization=told, kind="hard_limit", threshold=1, period="0", facts={},
        billing_period=7, state="sent", sent_at=NOW,
    )  # fmt: skip

    assert account(told).alerts == {"soft_limit": NOW}


# --- why, and why not ---------------------------------------------------------------


def statuses(organization: Organization, kind: str) -> list[tuple[str, str]]:
    """Status of each explanation, and the figures in its text."""
    found = explain(organization.pk, now=NOW, kind=kind)
    return [(one.verdict, figures(one.words)) for one in found]


def figures(text: str) -> str:
    return " ".join(re.findall(r"\w{3} \d+, \d{4}(?:, \d\d:\d\d UTC)?|\d+%", text))


@frozen
@pytest.mark.django_db
def test_why_and_why_not(acme: WhiteLabel, told: Organization) -> None:
    kind = "soft_limit"
    use(acme, 1)
    assert statuses(told, kind) == [("below", "20% 100%")]
    assert statuses(told, "hard_limit") == [("nothing", "")]

    use(acme, 4, "e-2")
    assert statuses(told, kind) == [("fires", "")]

    snooze(told.pk, until=NOW + timedelta(hours=2))
    assert statuses(told, kind) == [("snoozed", "Nov 21, 2026, 14:00 UTC")]

    snooze(told.pk, until=None)
    Organization.objects.filter(pk=told.pk).update(billing_email="")
    assert statuses(told, kind) == [("nobody", "")]

    look(told)
    [found] = explain(told.pk, now=NOW, kind=kind)
    assert (found.verdict, found.alert) == (Verdict.RECORDED, Alert.objects.get())


@frozen
@pytest.mark.django_db
def test_a_day_that_is_missing_is_said_to_be(
    acme: WhiteLabel, told: Organization
) -> None:
    use_days(acme, [5] * 6 + [500], last=NOW - timedelta(days=1))

    assert statuses(told, "spike") == [("inconclusive", "")]


@frozen
@pytest.mark.django_db
def test_below_a_limit_is_not_said_while_a_day_is_missing(
    acme: WhiteLabel, told: Organization
) -> None:
    """Of one that has usage each day; who has two users has them, whatever arrives."""
    limit(told, "soft", "1000")
    Entitlements.objects.create(
        organization=told, gpu_seconds_per_year=100, users=2, projects=1
    )
    days = [5] * 20
    use_days(acme, days, last=NOW - timedelta(days=1))
    assert statuses(told, "soft_limit") == [("below", "20% 100%")]

    later = NOW + timedelta(days=1)
    [soft] = explain(told.pk, now=later, kind="soft_limit")
    assert (soft.verdict, figures(soft.words)) == ("inconclusive", "20% Nov 20, 2026")
    found = explain(told.pk, now=later, kind="usage_50")
    assert [(one.subject, one.verdict) for one in found] == [
        ("gpu_seconds", "inconclusive"), ("projects", "below"), ("users", "below"),
    ]  # fmt: skip


@frozen
@pytest.mark.django_db
def test_what_if_it_had_spent_more(acme: WhiteLabel, told: Organization) -> None:
    limit(told, "hard", "20")
    use(acme, 1)

    def fires(spend: str) -> list[str]:
        found = simulate(told.pk, Suppose(spend=Decimal(spend)), now=NOW)
        return [one.kind.slug for one in found]

    assert fires("9.99") == []
    assert fires("10") == ["soft_limit"]
    assert fires("20") == ["soft_limit", "hard_limit"]
    assert not Alert.objects.exists()


@frozen
@pytest.mark.django_db
def test_what_edited_limits_would_fire(acme: WhiteLabel, told: Organization) -> None:
    use(acme, 5)
    look(told)

    def fires(soft: str | None, hard: str | None) -> list[str]:
        found = preview_limits(
            told.pk,
            soft=None if soft is None else Decimal(soft),
            hard=None if hard is None else Decimal(hard),
            now=NOW,
        )
        return [one.kind.slug for one in found]

    assert fires("10", None) == []  # told already
    assert fires("9", None) == ["soft_limit"]
    assert fires("10", "10") == ["hard_limit"]
    assert fires(None, None) == []
    assert kinds(told) == ["soft_limit"]


@frozen
@pytest.mark.django_db
def test_the_timeline_is_of_one_organization(
    acme: WhiteLabel, told: Organization
) -> None:
    other = make_organization(acme, "other", billing_email="other@example.com")
    limit(other, "soft", "2")
    record(acme, [event("o", organization="other")])
    use(acme, 5)
    look(told, other)

    [alert] = list_alerts(told.pk)

    assert alert.organization_id == told.pk
    [alert_email] = alert.alert_emails.all()
    assert [one.address for one in alert_email.recipients.all()] == ["acme@example.com"]
    assert list_alerts(told.pk, before=alert.pk) == []


@frozen
@pytest.mark.django_db
def test_the_decoy_is_told_of_its_own(acme: WhiteLabel, told: Organization) -> None:
    decoy = Organization.objects.exclude(pk=told.pk).get(external_id="org-7")
    make_rate(decoy.white_label, "1")
    record(decoy.white_label, [event("x", quantities={"requests": 11})])

    look(told, decoy)

    assert ledger(told) == []
    assert addresses(decoy) == ["decoy@example.com"]


# --- declarations -------------------------------------------------------------------


def test_each_kind_is_declared_once_and_ladders_are_in_order() -> None:
    assert list(ALERT_KINDS) == [
        "soft_limit", "hard_limit", "usage_50", "usage_80", "usage_90", "usage_100",
        "payment_failed", "usage_reset", "trial_7", "trial_1", "balance_used", "pace",
        "spike", "stale_data",
    ]  # fmt: skip
    assert is_beyond(ALERT_KINDS["trial_1"], ALERT_KINDS["trial_7"])
    beyond = [
        one for one in ALERT_KINDS.values() if is_beyond(one, ALERT_KINDS["usage_80"])
    ]
    assert [one.slug for one in beyond] == ["usage_90", "usage_100"]
    assert [one.slug for one in ALERT_KINDS.values() if one.is_mandatory] == [
        "hard_limit",
        "payment_failed",
    ]


@pytest.mark.parametrize(
    ("kind", "value", "base", "crossed"),
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
def test_a_threshold_is_crossed_when_it_is_reached(
    kind: str, value: str, base: str, crossed: bool
) -> None:
    assert ALERT_KINDS[kind].is_reached(Decimal(value), Decimal(base)) is crossed
