"""An organization with a row in every table of the pages, and the pages' addresses."""

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.urls import reverse

from billing.ledger.commands.credits import grant_credit
from billing.ledger.commands.periods import close_period_manually
from billing.models import (
    AccessRefusal,
    Alert,
    AlertEmail,
    AlertEmailRecipient,
    BillingAccount,
    BillingPeriod,
    Charge,
    ChargeDecision,
    Discrepancy,
    Invoice,
    InvoiceAdjustment,
    RefusalReason,
    SpendingLimit,
    StripeAction,
    StripeEvent,
    Subscription,
    SyncRun,
)
from metrics.commands.roll_up import roll_up_usage
from orgs.models import Job, Member, Organization, Project, WhiteLabel
from tests.factories import NOW, event, make_key, make_rate, record
from tests.support.alerts import evaluate

DAY = timedelta(days=1)
_NUMBERS = itertools.count(1)


def fill_console(organization: Organization, **subscription: Any) -> None:
    """Give the organization rows in every table: usage, money, people, and alerts."""
    label = organization.white_label
    tag = f"{organization.pk}-{next(_NUMBERS)}"
    _record_usage(label, organization)
    close_period_manually(
        organization.pk,
        by="ann",
        note="first",
        key="first",
        bills_without_unpriced=True,
    )
    _record_usage(label, organization, first=100)
    roll_up_usage()
    _fill_people(organization)
    _fill_money(organization, label, tag, subscription)
    _fill_alerts(organization, tag)
    _fill_stripe(organization, label, tag)
    make_key(label, "billing:read", organization=organization)


def _record_usage(
    label: WhiteLabel, organization: Organization, *, first: int = 0
) -> None:
    for product in ("gpt", "h100-node"):
        meter = "requests" if product == "gpt" else "gpu_seconds"
        make_rate(label, "0.0123", product=product, meter=meter, benchmark="0.02")
    events = [
        event(
            f"{product}-{first + back}",
            timestamp=(NOW - back * DAY).isoformat(),
            product=product,
            quantities=quantities,
        )
        for back in range(0, 45, 5)
        for product, quantities in (
            ("gpt", {"requests": 1_000 + back}),
            ("h100-node", {"gpu_seconds": 4_000, "cpu_seconds": 900}),
            ("unknown-model", {"requests": 7}),
        )
    ]
    record(label, events, organization_id=organization.pk)


def _fill_people(organization: Organization) -> None:
    organization.members.create(external_id="ann", name="Ann", added_at=NOW - DAY)
    Member.objects.create(
        organization=organization,
        external_id="bob",
        email="bob@example.com",
        added_at=NOW - 9 * DAY,
        deleted_at=NOW - DAY,
    )
    Project.objects.create(organization=organization, external_id="p-1", name="Vision")


def _fill_money(
    organization: Organization, label: WhiteLabel, tag: str, subscription: Any
) -> None:
    BillingAccount.objects.update_or_create(
        organization=organization,
        defaults={"stripe_id": f"cus_{tag}", "last_invoice_at": NOW - 20 * DAY},
    )
    grants = (("credit", "40"), ("free_balance", "250"))
    for kind, amount in grants:
        grant_credit(
            organization.pk, kind=kind, amount=Decimal(amount), note="hello", by="ann"
        )
    values = {
        "status": "active",
        "period_starts_at": NOW - 20 * DAY,
        "period_ends_at": NOW + 10 * DAY,
        **subscription,
    }
    Subscription.objects.create(
        organization=organization,
        stripe_id=f"sub_{tag}",
        tier="scale",
        stripe_price_id="price_1",
        **values,
    )
    for kind, amount in (("soft", "500"), ("hard", "900")):
        SpendingLimit.objects.create(
            organization=organization, kind=kind, amount=Decimal(amount)
        )
    period = BillingPeriod.objects.get(organization=organization, number=1)
    charge = Charge.objects.create(
        period=period,
        product="gpt",
        cost="3.3210",
        amount="3.32",
        currency=label.currency,
        invoice_stripe_id=f"in_{tag}",
        state="failed",
        finished_at=NOW,
        error="Card declined.",
    )
    ChargeDecision.objects.create(
        charge=charge, kind="write_off", amount="1.00", note="kind", by="ann"
    )
    Invoice.objects.create(
        organization=organization,
        period=period,
        stripe_id=f"in_{tag}",
        number=f"EXT-{tag}",
        status="open",
        currency=label.currency,
        total="64.05",
        amount_due="64.05",
        amount_remaining="64.05",
        issued_at=NOW - 15 * DAY,
        due_at=NOW - 5 * DAY,
        collection_method="send_invoice",
    )
    InvoiceAdjustment.objects.create(
        organization=organization,
        kind="dispute",
        stripe_id=f"dp_{tag}",
        status="needs_response",
        currency=label.currency,
        amount="5",
        happened_at=NOW - DAY,
        respond_by_at=NOW + DAY,
    )


def _fill_alerts(organization: Organization, tag: str) -> None:
    label = organization.white_label
    evaluate(organization)
    alert = Alert.objects.get(organization=organization, kind="soft_limit")
    Alert.objects.filter(pk=alert.pk).update(
        state="failed", reason="Every address refused."
    )
    email = AlertEmail.objects.create(
        alert=alert,
        organization=organization,
        kind="soft_limit",
        message_id=f"<{tag}@example.com>",
        state="failed",
        finished_at=NOW,
    )
    AlertEmailRecipient.objects.create(
        alert_email=email,
        address="a@example.com",
        state="refused",
        smtp_code=550,
        finished_at=NOW,
    )
    refusal = AccessRefusal.objects.create(
        organization=organization, started_at=NOW - 3 * DAY, ended_at=NOW - 2 * DAY
    )
    RefusalReason.objects.create(
        refusal=refusal,
        code="hard_limit",
        started_at=NOW - 3 * DAY,
        ended_at=NOW - 2 * DAY,
        lifting="limit_raised",
        lifted_by="ann",
        facts={
            "currency": label.currency,
            "limit": "600.00",
            "used": "610.00",
        },
    )


def _fill_stripe(organization: Organization, label: WhiteLabel, tag: str) -> None:
    run = SyncRun.objects.create(
        white_label=label, state="done", stage="ended", finished_at=NOW - DAY
    )
    for kind in ("amount", "unreadable"):
        Discrepancy.objects.create(
            white_label=label,
            organization=organization,
            run=run,
            kind=kind,
            stripe_id=f"in_{tag}",
            orgdesk_value="64.05 usd",
            stripe_value="64.05 usd, paid",
            stripe_read_at=NOW,
            first_seen_at=NOW - DAY,
            last_seen_at=NOW,
        )
    StripeEvent.objects.create(
        event_id=f"evt_{tag}",
        type="invoice.paid",
        object_id=f"in_{tag}",
        organization=organization,
        payload={},
        happened_at=NOW,
        state="parked",
        finished_at=NOW,
        reason="Unknown object.",
    )
    Job.objects.create(
        organization=organization,
        kind="usage_report",
        state="failed",
        finished_at=NOW,
        error="Disk full.",
    )
    StripeAction.objects.create(
        organization=organization,
        kind="pause",
        note="asked",
        requested_by="ann",
        state="done",
        finished_at=NOW,
    )


def organization_urls(organization: Organization) -> list[str]:
    """Return the addresses of the pages of an organization."""
    names = (
        *("billing:overview", "metrics:usage", "billing:costs", "billing:billing"),
        *("billing:alerts", "orgs:people", "orgs:history", "billing:credits"),
        *("billing:periods", "billing:void", "billing:access"),
        "billing:integrations",
        *("billing:cost_lines", "billing:day_events"),
    )
    base = [reverse(name, args=[organization.pk]) for name in names]
    charge = Charge.objects.filter(period__organization=organization).first()
    if charge is not None:
        args = [organization.pk, charge.pk]
        base.append(reverse("billing:charge_decision", args=args))
    return [*base, f"{base[2]}?view=cumulative", f"{base[8]}?period=2"]


def fleet_urls(organization: Organization) -> list[str]:
    """Return the addresses of the pages of all organizations."""
    names = (
        *("fleet", "organization_list", "fleet_alerts", "stripe_sync", "unpriced"),
        *("discrepancies", "webhook_events", "failed_jobs", "exports"),
    )
    urls = [reverse(f"billing:{name}") for name in names]
    label = organization.white_label.slug
    line = f"white_label={label}&product=unknown-model&meter=requests"
    return [*urls, reverse("orgs:api_keys"), f"{urls[4]}?{line}", f"{urls[0]}?range=7d"]
