"""Response schema of an organization's access."""

from collections.abc import Sequence
from typing import Any

import orjson
from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.access.decision import Refusal
from orgs.models import Organization


class RefusalOut(Schema):
    """A reason to refuse access."""

    code: str = Field(
        description="`deleted`, `inactive`, `paused`, `unpaid`, `trial_over` or"
        " `hard_limit`; new codes may be added."
    )
    message: str = Field(description="The reason, as a sentence for people.")
    since: AwareDatetime = Field(
        description="Since when the reason applies, as in `access/history`."
    )


class AccessOut(Schema):
    """The access of an organization."""

    allowed: bool = Field(description="Whether API requests should be served.")
    reasons: list[RefusalOut] = Field(
        description="Why access is refused, most severe first; empty if allowed."
    )
    rate_limit: int = Field(description="API requests per minute.")


def access_body(organization: Organization, refusals: Sequence[Refusal]) -> bytes:
    """Return `AccessOut` as JSON; written directly, as it is asked on each request."""
    body: dict[str, Any] = {
        "allowed": not refusals,
        "reasons": refusals,
        "rate_limit": organization.rate_limit
        or organization.white_label.default_rate_limit,
    }
    return orjson.dumps(body, option=orjson.OPT_UTC_Z)
