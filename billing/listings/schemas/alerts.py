"""Schemas of spending limits, alerts, their emails, and discrepancies."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.alerts.queries.statuses import AlertStatus, Status
from billing.listings.schemas.bodies import NextPageOut, RangeIn, RowOut
from billing.models import Alert, Discrepancy

_CURRENCY = Field(description="Currency code in lower case.", examples=["usd"])
_ALERT_STATES = ", ".join(f"`{state}`" for state in Alert.State.values)
_STATUSES = ", ".join(f"`{status}`" for status in Status)
_DISCREPANCY_KINDS = ", ".join(f"`{kind}`" for kind in Discrepancy.Kind.values)


class LimitsIn(Schema):
    """Filters of spending limits."""

    kind: str | None = Field(
        None,
        max_length=4,
        description="Only limits of this kind: `soft` or `hard`.",
        examples=["hard"],
    )


class SpendingLimitOut(RowOut):
    """A spending limit, with the cost that is compared with it."""

    type: str = Field(
        description="`soft` sends an alert; `hard` also refuses access.",
        examples=["hard"],
    )
    amount: float = Field(description="The limit, above 0.", examples=[650])
    currency: str = _CURRENCY
    cost: float = Field(
        description="The cost of the open billing period after free balance.",
        examples=[683.787412],
    )
    is_reached: bool = Field(
        description="Whether the cost is the amount or more.", examples=[True]
    )
    version: int = Field(
        description="Counts its changes; each re-arms its alerts.", examples=[2]
    )


class LimitPageOut(NextPageOut):
    """A page of spending limits."""

    limits: list[SpendingLimitOut] = Field(
        description="Those that were first set last, first."
    )


class AlertsIn(RangeIn):
    """Filters of alerts; the range is that of `reached_at`."""

    state: str | None = Field(
        None,
        max_length=20,
        description=f"Only alerts in this state: {_ALERT_STATES}, or `open`: pending"
        " or sending.",
        examples=["sent"],
    )


class AlertOut(RowOut):
    """A threshold that was reached, once per period and version of its limit."""

    kind: str = Field(
        description="The kind of alert; new kinds may be added.",
        examples=["hard_limit"],
    )
    subject: str = Field(
        description="An entitlement, Stripe's ID of a subscription, or empty.",
        examples=[""],
    )
    threshold: float = Field(
        description="An amount, percent of an entitlement, days, or a multiple.",
        examples=[650],
    )
    period: str = Field(
        description="Number of the billing period, first day of the contract year, or"
        " a day.",
        examples=["8"],
    )
    billing_period: int = Field(
        description="The number of the billing period that was open.", examples=[8]
    )
    reached_at: AwareDatetime = Field(
        description="When it was reached.", examples=["2026-11-20T09:30:00Z"]
    )
    state: str = Field(description=f"One of {_ALERT_STATES}.", examples=["sent"])
    reason: str = Field(
        description="Why no email was sent; may be empty.", examples=[""]
    )
    main_causes: list[str] | None = Field(
        description="The main causes of a spike or forecast, for people; null for"
        " other kinds.",
        examples=[None],
    )
    sent_at: AwareDatetime | None = Field(
        description="When the first address accepted its email; null before.",
        examples=["2026-11-20T09:30:04Z"],
    )


class AlertPageOut(NextPageOut):
    """A page of alerts."""

    alerts: list[AlertOut] = Field(description="The newest first.")


class AlertStatusOut(Schema):
    """What an alert measures now, and whether its email would be sent."""

    kind: str = Field(
        description="The kind of alert; new kinds may be added.",
        examples=["hard_limit"],
    )
    label: str = Field(
        description="The kind, for people.", examples=["Hard limit reached"]
    )
    subject: str = Field(
        description="An entitlement, Stripe's ID of a subscription, a product and"
        " meter, or empty.",
        examples=[""],
    )
    value: float | None = Field(
        description="What is measured, such as the cost of the open billing period"
        " after free balance; null if the alert does not apply.",
        examples=[612.4],
    )
    threshold: float | None = Field(
        description="The amount, percentage, or days at which it triggers.",
        examples=[650],
    )
    status: str = Field(description=f"One of {_STATUSES}.", examples=["not_reached"])
    explanation: str = Field(
        description="The same for people.", examples=["At 94.2%; alerts at 100%."]
    )


class AlertStatusesOut(Schema):
    """The status of each alert of an organization."""

    alert_status: list[AlertStatusOut] = Field(
        description="Every kind of alert, for each of its subjects."
    )


def alert_statuses_out(statuses: Iterable[AlertStatus]) -> dict[str, Any]:
    """Return statuses as `AlertStatusesOut`."""
    return {"alert_status": [_status_out(status) for status in statuses]}


def _status_out(status: AlertStatus) -> dict[str, Any]:
    value: Decimal | None = status.measurement.value if status.measurement else None
    return {
        "kind": status.kind.slug,
        "label": status.kind.label,
        "subject": status.subject,
        "value": value,
        "threshold": status.threshold,
        "status": status.status.value,
        "explanation": status.explanation,
    }


class AlertEmailsIn(RangeIn):
    """Filters of alert emails; the range is that of `created_at`."""

    alert: str | None = Field(
        None,
        max_length=19,
        description="Only emails of the alert with this ID.",
        examples=["4711"],
    )


class AlertEmailOut(RowOut):
    """An address of an alert email, with what became of it."""

    alert_id: int | None = Field(description="The ID of the alert.", examples=[4711])
    kind: str = Field(description="The kind of alert.", examples=["hard_limit"])
    email_number: int = Field(
        description="1 for the email of the alert; higher ones were sent again.",
        examples=[1],
    )
    message_id: str = Field(
        description="The Message-ID of the email, the same for every retry.",
        examples=["<hard_limit.4711.1@orgdesk>"],
    )
    requested_by: str = Field(
        description="Who sent it again; empty for the first.", examples=[""]
    )
    created_at: AwareDatetime = Field(
        description="When it was written.", examples=["2026-11-20T09:30:00Z"]
    )
    email_state: str = Field(
        description="`pending`, `running`, `done`, or `failed`.", examples=["done"]
    )
    attempts: int = Field(description="How often it was sent.", examples=[1])
    address: str = Field(
        description="The address.", examples=["billing@lumen.example.com"]
    )
    state: str = Field(
        description="`pending`, `sent`, `refused`, `failed`, `suppressed`, or"
        " `digested`.",
        examples=["sent"],
    )
    smtp_code: int | None = Field(
        description="The code of the mail host's answer.", examples=[250]
    )
    reason: str = Field(
        description="The mail host's answer, or why it was not sent.",
        examples=["2.0.0 Ok"],
    )
    finished_at: AwareDatetime | None = Field(
        description="When the address was done; null before.",
        examples=["2026-11-20T09:30:04Z"],
    )


class AlertEmailPageOut(NextPageOut):
    """A page of addresses of alert emails."""

    alert_emails: list[AlertEmailOut] = Field(description="The newest first.")


class DiscrepanciesIn(RangeIn):
    """Filters of discrepancies; the range is that of `first_seen_at`."""

    kind: str | None = Field(
        None,
        max_length=20,
        description=f"Only of this kind: {_DISCREPANCY_KINDS}.",
        examples=["charges"],
    )
    resolved: str | None = Field(
        None,
        max_length=3,
        description="`0` for open ones, `1` for resolved ones, `all` for both, as"
        " without the parameter.",
        examples=["0"],
    )
    run: str | None = Field(
        None,
        max_length=19,
        description="Only those that the sync run with this ID saw last.",
        examples=["12"],
    )


class DiscrepancyOut(RowOut):
    """A difference between Orgdesk's and Stripe's data of one object."""

    white_label: str | None = Field(  # type: ignore[assignment]
        description="The slug of the white label; null for an unlinked customer.",
        examples=["acme"],
    )
    organization_id: int | None = Field(  # type: ignore[assignment]
        description="The organization's ID in Orgdesk; null if there is none.",
        examples=[42],
    )
    organization_external_id: str | None = Field(  # type: ignore[assignment]
        description="Your ID of the organization.", examples=["o-1"]
    )
    organization: str | None = Field(  # type: ignore[assignment]
        description="The display name of the organization.", examples=["Lumen Legal"]
    )
    type: str = Field(description=f"One of {_DISCREPANCY_KINDS}.", examples=["charges"])
    stripe_id: str = Field(
        description="Stripe's ID of the object that differs.", examples=["in_1Abc"]
    )
    in_orgdesk: str = Field(description="The value in Orgdesk.", examples=["683.79"])
    in_stripe: str = Field(description="The value in Stripe.", examples=["663.79"])
    currency: str = Field(
        description="Currency code in lower case; empty without an amount.",
        examples=["usd"],
    )
    amount: float | None = Field(
        description="What Stripe's invoice lacks, below 0 for what it has too much;"
        " null for others.",
        examples=[20],
    )
    first_seen_at: AwareDatetime = Field(
        description="When it was first seen.", examples=["2026-11-20T03:00:00Z"]
    )
    last_seen_at: AwareDatetime = Field(
        description="When it was last seen.", examples=["2026-11-21T03:00:00Z"]
    )
    resolved_at: AwareDatetime | None = Field(
        description="When it was resolved; null if it is open.", examples=[None]
    )
    resolved_by: str = Field(
        description="Who or what resolved it; empty if it is open.", examples=[""]
    )
    sync_run: int | None = Field(
        description="The ID of the sync run that saw it last.", examples=[12]
    )


class DiscrepancyPageOut(NextPageOut):
    """A page of discrepancies."""

    discrepancies: list[DiscrepancyOut] = Field(description="The newest first.")
