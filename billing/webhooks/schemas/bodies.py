"""The data of events, from the functions that the API calls."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.access.queries.facts import AccessDetails
from billing.alerts.kinds import ALERT_KINDS, UNPRICED, kind_at
from billing.alerts.measures import unit_of
from billing.models import Alert, BillingPeriod, Charge
from billing.webhooks.commands.incidents import resolved_type
from billing.webhooks.commands.outbox import NewEvent
from billing.webhooks.event_types import TYPE_OF_ALERT
from billing.webhooks.queries.incidents import EndedIncident
from metrics.schemas.charts import number
from orgs.models import Entitlements, Organization
from orgs.schemas.organizations import organization_detail_out

_AMOUNTS = {  # names of the data by those of the facts of an alert
    "value": "value",
    "limit": "base",
    "percent": "per_cent",
    "cost": "cost",
    "payable": "payable",
    "free_balance": "free_balance",
    "soft_limit": "soft",
    "hard_limit": "hard",
}
_TEXTS = {
    "period_starts_at": "starts_at",
    "period_ends_at": "ends_at",
    "day": "day",
    "projected_on": "projected_on",
    "last_used_on": "last_used_on",
    "subscription_status": "status",
    "trial_ends_at": "trial_ends_at",
}


def organization_reference(organization: Organization) -> dict[str, Any]:
    """Return the organization as every event has it; it needs its white label."""
    return {
        "id": organization.pk,
        "external_id": organization.external_id,
        "name": organization.name,
        "white_label": organization.white_label.slug,
    }


def _amount(text: str | None) -> Any:
    return None if text is None else number(Decimal(text))


def alert_event(alert: Alert, *, is_snoozed: bool) -> NewEvent:
    """Return the event of an alert, with the figures that the alert recorded."""
    type_, facts = TYPE_OF_ALERT[alert.kind], alert.facts
    kind, organization = kind_at(alert.kind, alert.threshold), alert.organization
    product, _, meter = alert.subject.rpartition(" ")
    is_unpriced = alert.kind == UNPRICED
    data = {
        "organization": organization_reference(organization),
        "alert": {
            "id": alert.pk,
            "kind": alert.kind,
            "label": kind.label,
            "subject": alert.subject,
            "period": alert.billing_period,
        },
        "currency": facts.get("currency", ""),
        "unit": facts.get("unit", ""),
        **{name: _amount(facts.get(fact)) for name, fact in _AMOUNTS.items()},
        **{name: facts.get(fact) for name, fact in _TEXTS.items()},
        "product": product if is_unpriced else None,
        "meter": meter if is_unpriced else None,
    }
    return NewEvent(
        type=type_.key,
        organization_id=organization.pk,
        white_label_id=organization.white_label_id,
        object_key=f"{type_.key}:{organization.pk}:{alert.subject}",
        data=data,
        occurred_at=alert.reached_at,
        is_snoozed=is_snoozed,
    )


def resolved_event(ended: EndedIncident, *, now: datetime) -> NewEvent:
    """Return the event of the end of an incident, with what is measured now."""
    incident, measured = ended.incident, ended.measurement
    organization = incident.organization
    unit = unit_of(ALERT_KINDS[incident.alert_kind].measure, incident.subject)
    data = {
        "organization": organization_reference(organization),
        "event_type": incident.type,
        "event_id": incident.event_key,
        "subject": incident.subject,
        "since": incident.since,
        "currency": organization.white_label.currency,
        "unit": unit,
        "value": number(measured.value) if measured else None,
        "limit": number(measured.base) if measured else None,
    }
    return NewEvent(
        type=resolved_type(incident),
        organization_id=organization.pk,
        white_label_id=organization.white_label_id,
        object_key=f"{incident.type}:{organization.pk}:{incident.subject}",
        data=data,
        occurred_at=now,
    )


def access_event(
    organization: Organization, details: AccessDetails, *, now: datetime
) -> NewEvent:
    """Return the event of a changed decision, as the access check makes it now."""
    refusals = details.case.facts.refusals(now)
    data = {
        "organization": organization_reference(organization),
        "allowed": not refusals,
        "reasons": [asdict(refusal) for refusal in refusals],
    }
    return NewEvent(
        type="access.changed",
        organization_id=organization.pk,
        white_label_id=organization.white_label_id,
        object_key=f"access:{organization.pk}",
        data=data,
        occurred_at=now,
    )


def invoice_event(
    period: BillingPeriod, charges: Sequence[Charge], *, now: datetime
) -> NewEvent:
    """Return the event of a closed period, with its charges."""
    organization = period.organization
    amounts = [charge.amount for charge in charges]
    data = {
        "organization": organization_reference(organization),
        "period": {
            "number": period.number,
            "starts_at": period.starts_at,
            "ends_at": period.ends_at,
            "closed_at": period.closed_at,
            "closed_by": period.closed_by,
        },
        "currency": organization.white_label.currency,
        "cost": number(period.cost),
        "free_balance_used": number(period.free_balance_used),
        "credit_used": number(period.credit_used),
        "total": number(sum(amounts, Decimal(0))),
        "charges": [
            {
                "kind": charge.kind,
                "product": charge.product,
                "amount": number(charge.amount),
            }
            for charge in charges
        ],
    }
    return NewEvent(
        type="invoice.closed",
        organization_id=organization.pk,
        white_label_id=organization.white_label_id,
        object_key=f"invoice:{organization.pk}",
        data=data,
        occurred_at=now,
    )


def organization_event(
    change: str,
    organization: Organization,
    entitlements: Mapping[int, Entitlements],
    *,
    fields: Sequence[str],
    now: datetime,
) -> NewEvent:
    """Return the event of a change of an organization, as the API returns it."""
    limits = entitlements.get(organization.pk) or Entitlements()
    return NewEvent(
        type=f"organization.{change}",
        organization_id=organization.pk,
        white_label_id=organization.white_label_id,
        object_key=f"organization:{organization.pk}",
        data={
            "organization": organization_detail_out(organization, limits),
            "changed": list(fields),
        },
        occurred_at=now,
    )
