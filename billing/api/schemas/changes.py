"""Request schemas of contract B, and the responses of limits and memberships.

Unknown keys of integrations are ignored, as the contract says: a client that sends the
whole organization back changes only what the endpoint is for.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

import orjson
from django.utils import timezone
from ninja import Schema
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    WithJsonSchema,
)

from billing.alerts.kinds import AlertPercents, PercentList
from billing.api.queries.accounts import Account
from billing.api.schemas.bodies import epoch, pause_reason, tier_of
from billing.api.schemas.organizations import MASK, PauseReasonOut
from billing.models import Alert, SpendingLimit
from billing.models.alerts import LEAST_PERCENT, MAX_PERCENTS, MOST_PERCENT
from metrics.commands.integrations import IncomingTarget
from metrics.schemas.charts import number
from orgs.access import Principal
from orgs.models import Organization
from orgs.outbound.urls import MAX_LENGTH

_MASK_CHARACTER = MASK[0]
_VISIBLE_ASCII = re.compile(r"[!-~]+")
MAX_AMOUNT = 999_999_999_999
_SOON = timedelta(days=7)


def _check_visible(token: SecretStr) -> SecretStr:
    if not _VISIBLE_ASCII.fullmatch(token.get_secret_value()):
        raise ValueError("`token` must be visible ASCII characters")
    return token


class TargetIn(BaseModel):
    """A push target: the user name, token, and URL from its operator."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    id: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[!-9;-~]+$",
        description="The user name for basic authentication, without colons.",
    )
    token: Annotated[SecretStr, AfterValidator(_check_visible)] = Field(
        min_length=1,
        max_length=2_000,
        description="The password for basic authentication, in visible ASCII. Stored"
        " encrypted and never returned. Asterisks, which answers have in its place,"
        " keep the stored one.",
        json_schema_extra={"pattern": "^[!-~]+$"},
    )
    endpoint: str = Field(
        min_length=1,
        max_length=MAX_LENGTH,
        description="An https URL with a public host and an allowed port, without a"
        " user, password, or fragment. An installation may also allow `http` and"
        " private hosts in certain networks.",
        json_schema_extra={"pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[!-\[\]-~]+$"},
    )

    def target(self) -> IncomingTarget:
        """Return the target with its token in plain text; None for a masked one."""
        token = self.token.get_secret_value()
        is_masked = not token.strip(_MASK_CHARACTER)
        return IncomingTarget(self.id, self.endpoint, None if is_masked else token)


class IntegrationsIn(BaseModel):
    """Push targets. A target that is not sent stays unchanged; null removes it."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    prom: TargetIn | None = Field(None, description="The Prometheus target.")
    loki: TargetIn | None = Field(None, description="The Loki target.")

    def targets(self) -> dict[str, IncomingTarget | None]:
        """Return the targets that were sent, by kind; None removes a target."""
        sent = {kind: getattr(self, kind) for kind in sorted(self.model_fields_set)}
        return {kind: target and target.target() for kind, target in sent.items()}


def _check_number(value: object) -> object:
    """Refuse text and booleans, which a `Decimal` field would accept."""
    if isinstance(value, str | bool):
        raise ValueError("an amount must be a JSON number")
    return value


Amount = Annotated[
    Decimal,
    BeforeValidator(_check_number),
    Field(ge=0, le=MAX_AMOUNT, decimal_places=12, allow_inf_nan=False),
    WithJsonSchema(
        {
            "type": "number",
            "minimum": 0,
            "maximum": MAX_AMOUNT,
            "description": "At most 12 decimal places.",
        }
    ),
]


Percents = Annotated[
    list[Annotated[int, Field(strict=True, ge=LEAST_PERCENT, le=MOST_PERCENT)]],
    Field(min_length=1, max_length=MAX_PERCENTS),
]


class LimitsIn(BaseModel):
    """Spending limits. A limit that is 0, null, or not sent is removed."""

    model_config = ConfigDict(extra="forbid")

    spending_limit_soft: Amount | None = Field(
        None, description="The soft limit in the white label's currency."
    )
    spending_limit_hard: Amount | None = Field(
        None, description="The hard limit in the white label's currency."
    )
    limit_alert_percents: Percents | None = Field(
        None,
        description="The percentages of both limits at which alerts are sent: 1 to 8"
        " whole numbers from 1 to 500. null restores the default, 100; not sent keeps"
        " them. The alert of the hard limit itself is always sent.",
        examples=[[80, 100]],
    )
    entitlement_alert_percents: Percents | None = Field(
        None,
        description="The percentages of entitlements at which alerts are sent,"
        " likewise. null restores the default: 50, 80, 90, and 100.",
        examples=[[75, 100]],
    )

    @property
    def percents(self) -> dict[str, list[int] | None]:
        """The lists of percentages that were sent."""
        sent = {
            "limits": self.limit_alert_percents,
            "entitlements": self.entitlement_alert_percents,
        }
        names = self.model_fields_set
        return {
            name: percents
            for name, percents in sent.items()
            if f"{name.removesuffix('s')}_alert_percents" in names
        }


class SubscriptionOut(Schema):
    """The platform subscription."""

    tier: str | None = Field(description="The tier; null for other tiers.")
    name: str = Field(description="The name of the tier; empty if there is none.")
    is_trial: bool = Field(description="Whether it is in a trial.")
    is_none: bool = Field(description="Whether there is no subscription.")


class FiredOut(Schema):
    """An alert that was triggered, with the state of its email."""

    kind: str = Field(description="The kind of alert, such as `soft_limit`.")
    threshold: float = Field(description="The limit that was reached.")
    state: str = Field(description="The state of the alert email.")
    reason: str = Field(description="Why the email was not sent; empty if it was.")


def _alert_fields(alert: Alert) -> dict[str, Any]:
    return {
        "kind": alert.kind,
        "threshold": number(alert.threshold),
        "state": alert.state,
        "reason": alert.reason,
    }


class LimitsOut(Schema):
    """Spending limits and the state of billing."""

    spending_limit_soft: float = Field(
        description="The soft spending limit; 0 if there is none."
    )
    spending_limit_hard: float = Field(
        description="The hard spending limit; 0 if there is none."
    )
    limit_alert_percents: list[int] = Field(
        description="The percentages of both limits at which alerts are sent.",
        examples=[[80, 100]],
    )
    entitlement_alert_percents: list[int] = Field(
        description="The percentages of entitlements at which alerts are sent.",
        examples=[[75, 100]],
    )
    currency: str = Field(description="The white label's currency, such as `usd`.")
    balance: float = Field(description="The free balance.")
    last_invoice_date: int = Field(
        description="When costs were last synced with Stripe, in seconds since the Unix"
        " epoch; 0 if never."
    )
    billing_zip: str = Field(description="The postal code; may be empty.")
    subscription: SubscriptionOut = Field(description="The platform subscription.")
    subscription_paused: PauseReasonOut | None = Field(
        description="Why the organization is paused; null if it is not."
    )
    trial_end: AwareDatetime | None = Field(
        description="When the trial ends; null without a trial."
    )
    trial_ending_soon: bool = Field(
        description="Whether the trial ends within seven days."
    )
    alerts: list[FiredOut] = Field(
        description="The alerts that setting these limits triggered."
    )


def limits_body(
    account: Account, alerts: Sequence[Alert], percents: AlertPercents
) -> bytes:
    """Return `LimitsOut` as JSON."""
    billing, platform = account.billing, account.platform
    tier = tier_of(account)
    trial_end = platform.trial_ends_at if platform else None
    is_trial = tier == "_TRIAL_"
    soon = timezone.now() + _SOON
    return orjson.dumps(
        {
            "spending_limit_soft": number(account.limit(SpendingLimit.Kind.SOFT)),
            "spending_limit_hard": number(account.limit(SpendingLimit.Kind.HARD)),
            "limit_alert_percents": percents.of(PercentList.LIMITS),
            "entitlement_alert_percents": percents.of(PercentList.ENTITLEMENTS),
            "currency": account.organization.white_label.currency,
            "balance": number(billing.free_balance),
            "last_invoice_date": epoch(billing.last_invoice_at) or 0,
            "billing_zip": account.organization.address_zip,
            "subscription": {
                "tier": tier,
                "name": platform.tier if platform else "",
                "is_trial": is_trial,
                "is_none": platform is None,
            },
            "subscription_paused": pause_reason(account),
            "trial_end": trial_end,
            "trial_ending_soon": bool(is_trial and trial_end and trial_end <= soon),
            "alerts": [_alert_fields(alert) for alert in alerts],
        }
    )


class MembershipOut(Schema):
    """An organization that the credential can access."""

    auth0_id: str = Field(description="The name of the API key or account.")
    org_id: str = Field(description="The ID in Orgdesk.")
    org_display_name: str = Field(description="The display name.")
    org_name: str = Field(description="Your ID of the organization.")
    org_stripe_id: str | None = Field(
        description="The ID of the Stripe customer; null if there is none."
    )
    org_logo: str | None = Field(
        description="The URL of the logo; null if there is none."
    )
    is_org_setup_complete: bool = Field(description="Always true.")
    full_name: str | None = Field(description="Always null.")
    user_avatar: str | None = Field(description="Always null.")
    billing_email: str = Field(
        description="The email address for invoices and alerts; may be empty."
    )
    is_personal_org: bool = Field(description="Whether the organization is personal.")
    permissions: str = Field(
        description="The scopes of the credential, separated by spaces."
    )
    member_is_active: bool = Field(description="Always true.")
    internal_claims: dict[str, Any] = Field(description="Always empty.")


def membership(
    organization: Organization, principal: Principal, *, stripe_id: str | None
) -> dict[str, Any]:
    """Return a `MembershipOut` of an organization for the principal of the request."""
    return {
        "auth0_id": principal.name,
        "org_id": str(organization.id),
        "org_display_name": organization.name,
        "org_name": organization.external_id,
        "org_stripe_id": stripe_id,
        "org_logo": organization.logo_url or None,
        "is_org_setup_complete": True,
        "full_name": None,
        "user_avatar": None,
        "billing_email": organization.billing_email,
        "is_personal_org": organization.is_personal,
        "permissions": " ".join(sorted(principal.scopes)),
        "member_is_active": True,
        "internal_claims": {},
    }


class MembershipsIn(Schema):
    """The number of organizations to return, and the ID after which to start."""

    limit: int = Field(
        1_000,
        ge=1,
        le=1_000,
        description="The number of organizations per page, from 1 to 1,000.",
    )
    after: int = Field(
        0,
        ge=0,
        le=2**63 - 1,
        description="Only organizations with a higher ID: the last one of the"
        " previous page.",
    )


def memberships(
    rows: Sequence[Organization], principal: Principal, stripe_ids: dict[int, str]
) -> list[dict[str, Any]]:
    """Return a `MembershipOut` of each organization."""
    return [
        membership(row, principal, stripe_id=stripe_ids.get(row.id)) for row in rows
    ]
