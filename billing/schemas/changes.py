"""What contract B's callers change, and how limits and memberships answer.

Unknown keys are ignored, as that contract does: whoever sends the whole organization
back changes only what the call is for.
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

from billing.models import Alert, SpendingLimit
from billing.queries import Account
from billing.schemas.bodies import epoch, pause_reason, tier_of
from billing.schemas.organizations import PauseReasonOut
from metrics.commands import IncomingTarget
from metrics.endpoints import MAX_LENGTH
from metrics.schemas import number
from orgs.access import Principal
from orgs.models import Organization

_VISIBLE = re.compile(r"[!-~]+")
MAX_AMOUNT = 999_999_999_999
_SOON = timedelta(days=7)


def _visible(token: SecretStr) -> SecretStr:
    if not _VISIBLE.fullmatch(token.get_secret_value()):
        raise ValueError("`token` must be visible ASCII characters")
    return token


class TargetIn(BaseModel):
    """Where to push to: the id, token and URL the target's operator gave out."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    id: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[!-9;-~]+$",
        description="User name of basic authentication; no colon.",
    )
    token: Annotated[SecretStr, AfterValidator(_visible)] = Field(
        min_length=1,
        max_length=2_000,
        description="Stored encrypted; no answer contains it. Visible ASCII.",
        json_schema_extra={"pattern": "^[!-~]+$"},
    )
    endpoint: str = Field(
        min_length=1,
        max_length=MAX_LENGTH,
        description="https, a public host, an allowed port, no user or fragment.",
        json_schema_extra={"pattern": r"^[Hh][Tt][Tt][Pp][Ss]://[!-\[\]-~]+$"},
    )

    def target(self) -> IncomingTarget:
        token = self.token.get_secret_value()
        return IncomingTarget(self.id, self.endpoint, token)


class IntegrationsIn(BaseModel):
    """A kind left out stays as it is, null clears it, an object replaces it."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    prom: TargetIn | None = None
    loki: TargetIn | None = None

    def targets(self) -> dict[str, IncomingTarget | None]:
        given = {kind: getattr(self, kind) for kind in sorted(self.model_fields_set)}
        return {kind: target and target.target() for kind, target in given.items()}


def _amount(value: object) -> object:
    """Numbers as they are written; text and booleans are not amounts."""
    if isinstance(value, str | bool):
        raise ValueError("an amount must be a JSON number")
    return value


Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
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


class LimitsIn(BaseModel):
    """Both are set; left out, null or 0 is none."""

    spending_limit_soft: Amount | None = None
    spending_limit_hard: Amount | None = None


class SubscriptionOut(Schema):
    tier: str | None
    name: str
    is_trial: bool
    is_none: bool


class FiredOut(Schema):
    """An alert that was recorded, and what becomes of its letter."""

    kind: str
    threshold: float = Field(description="The amount that was reached.")
    state: str
    reason: str


def _fired(alert: Alert) -> dict[str, Any]:
    return {
        "kind": alert.kind,
        "threshold": number(alert.threshold),
        "state": alert.state,
        "reason": alert.reason,
    }


class LimitsOut(Schema):
    """Limits, compared with the open period's cost after free balance."""

    spending_limit_soft: float = Field(description="0: none.")
    spending_limit_hard: float = Field(description="0: none.")
    currency: str
    balance: float = Field(description="The free balance.")
    last_invoice_date: int = Field(description="Epoch seconds; 0: never.")
    billing_zip: str
    subscription: SubscriptionOut
    subscription_paused: PauseReasonOut | None
    trial_end: AwareDatetime | None
    trial_ending_soon: bool = Field(description="Within seven days.")
    alerts: list[FiredOut] = Field(description="What these limits fired, if anything.")


def limits_body(account: Account, fired: Sequence[Alert]) -> bytes:
    """`LimitsOut` as JSON."""
    billing, platform = account.billing, account.platform
    tier = tier_of(account)
    trial_end = platform.trial_ends_at if platform else None
    is_trial = tier == "_TRIAL_"
    soon = timezone.now() + _SOON
    return orjson.dumps(
        {
            "spending_limit_soft": number(account.limit(SpendingLimit.Kind.SOFT)),
            "spending_limit_hard": number(account.limit(SpendingLimit.Kind.HARD)),
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
            "alerts": [_fired(alert) for alert in fired],
        }
    )


class MembershipOut(Schema):
    """An organization as the credential reaches it."""

    auth0_id: str = Field(description="Who asks: a key or an account.")
    org_id: str
    org_display_name: str
    org_name: str
    org_stripe_id: str | None
    org_logo: str | None
    is_org_setup_complete: bool
    full_name: str | None
    user_avatar: str | None
    billing_email: str
    is_personal_org: bool
    permissions: str = Field(description="Scopes, separated by spaces.")
    member_is_active: bool
    internal_claims: dict[str, Any]


def membership(
    organization: Organization, principal: Principal, *, stripe_id: str | None
) -> dict[str, Any]:
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
    limit: int = Field(1_000, ge=1, le=1_000, description="Rows at most.")
    after: int = Field(
        0, ge=0, le=2**63 - 1, description="Only ids above this: the last row's."
    )


def memberships(
    rows: Sequence[Organization], principal: Principal, stripe_ids: dict[int, str]
) -> list[dict[str, Any]]:
    return [
        membership(row, principal, stripe_id=stripe_ids.get(row.id)) for row in rows
    ]
