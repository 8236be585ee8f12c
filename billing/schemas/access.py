"""What a gateway asks on each request: may this organization be served?"""

from collections.abc import Sequence
from typing import Any

import orjson
from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.queries.access import Barred
from orgs.models import Organization


class BarredOut(Schema):
    code: str = Field(
        description="`deleted`, `inactive`, `paused`, `unpaid`, `trial_over` or"
        " `hard_limit`; more may come."
    )
    message: str
    since: AwareDatetime


class AccessOut(Schema):
    allowed: bool = Field(description="Whether there is no reason against it.")
    reasons: list[BarredOut] = Field(description="The gravest first.")
    rate_limit: int = Field(description="Calls per minute.")


def access_body(organization: Organization, barred: Sequence[Barred]) -> bytes:
    """`AccessOut` as JSON."""
    found: dict[str, Any] = {
        "allowed": not barred,
        "reasons": barred,
        "rate_limit": organization.rate_limit
        or organization.white_label.default_rate_limit,
    }
    return orjson.dumps(found, option=orjson.OPT_UTC_Z)
