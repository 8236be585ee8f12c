"""Functions that create rows through the commands used in production."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import orjson
from django.contrib.auth.models import Group

from metrics.commands.batch import RecordingResult
from metrics.commands.rates import IncomingRate, load_rates
from metrics.commands.record import record_usage
from metrics.commands.roll_up import roll_up_usage
from metrics.events import parse_event
from metrics.models import DailyUsage
from metrics.queries.periods import PeriodCost, period_costs
from orgs.catalog import Scope
from orgs.commands.keys import create_api_key
from orgs.commands.loading import load_organizations
from orgs.commands.organizations import IncomingOrganization
from orgs.commands.white_labels import create_white_label
from orgs.models import Organization, User, WhiteLabel

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)  # a Saturday


def make_white_label(
    slug: str = "acme",
    *,
    time_zone: str = "UTC",
    gpu_weight: int = 3,
    currency: str = "usd",
) -> WhiteLabel:
    return create_white_label(
        slug,
        name=slug.title(),
        time_zone=time_zone,
        gpu_weight=gpu_weight,
        currency=currency,
    )


def make_organization(
    white_label: WhiteLabel, external_id: str = "org-7", **line: Any
) -> Organization:
    """Create an organization from the fields that `load_organizations` reads."""
    make_organizations(white_label, [{"external_id": external_id, **line}])
    return Organization.objects.select_related("white_label").get(
        white_label=white_label, external_id=external_id
    )


def make_organizations(
    white_label: WhiteLabel, lines: Sequence[Mapping[str, Any]]
) -> None:
    """Create many organizations at once; each line has at least an external_id."""
    created_at = "2026-01-05T09:00:00Z"
    whole = [
        {"created_at": created_at, "name": line["external_id"].title(), **line}
        for line in lines
    ]
    incoming = msgspec.json.decode(orjson.dumps(whole), type=list[IncomingOrganization])
    load_organizations(white_label, incoming)


def delete(organization: Organization) -> None:
    Organization.objects.filter(pk=organization.pk).update(deleted_at=NOW)


def make_rate(
    white_label: WhiteLabel,
    price: str,
    *,
    product: str = "gpt",
    meter: str = "requests",
    benchmark: str = "0",
    effective_from: datetime | None = None,
    organization: Organization | None = None,
) -> None:
    rate = IncomingRate(
        product=product,
        meter=meter,
        unit_price=Decimal(price),
        benchmark_unit_price=Decimal(benchmark),
        effective_from=effective_from,
        organization_id=organization.id if organization else None,
    )
    load_rates(white_label, [rate])


def make_key(
    white_label: WhiteLabel,
    *scopes: str,
    organization: Organization | None = None,
    expires_at: datetime | None = None,
    address_ranges: Sequence[str] = (),
) -> str:
    """Create an API key and return its text."""
    _, text = create_api_key(
        white_label,
        name="test",
        scopes=[Scope(scope) for scope in scopes],
        organization=organization,
        expires_at=expires_at,
        address_ranges=address_ranges,
    )
    return text


def make_user(
    username: str,
    *roles: str,
    white_label: WhiteLabel | None = None,
    is_staff: bool = True,
    is_superuser: bool = False,
) -> User:
    user = User.objects.create(
        username=username,
        email=f"{username}@example.com",
        white_label=white_label,
        is_staff=is_staff,
        is_superuser=is_superuser,
    )
    user.groups.set(Group.objects.filter(name__in=roles))
    return user


def event(id_: str = "e-1", **changes: Any) -> dict[str, Any]:
    """Return a usage event as JSON: 5 requests to gpt, an hour before `NOW`."""
    return {
        "id": id_,
        "organization": "org-7",
        "timestamp": "2026-11-21T11:00:00Z",
        "product": "gpt",
        "quantities": {"requests": 5},
        **changes,
    }


def record(
    white_label: WhiteLabel,
    events: Sequence[Mapping[str, Any]],
    *,
    organization_id: int | None = None,
    now: datetime = NOW,
) -> RecordingResult:
    """Record events as the API does: parsed and numbered from 0."""
    numbered = [(i, parse_event(orjson.dumps(e))) for i, e in enumerate(events)]
    return record_usage(white_label, numbered, organization_id=organization_id, now=now)


def usage_of(organization: Organization, *fields: str) -> list[tuple[Any, ...]]:
    """Return columns of the daily usage of an organization, in the order of its key."""
    roll_up_usage()
    rows = DailyUsage.objects.filter(organization_id=organization.id)
    return list(rows.order_by("pk").values_list(*fields))


def period_cost(organization_id: int, *, number: int) -> PeriodCost:
    """Return what a billing period of an organization costs, open or closed."""
    return period_costs({organization_id: number})[organization_id]
