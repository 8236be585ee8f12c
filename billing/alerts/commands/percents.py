"""Changing the percentages of limits and entitlements at which alerts are sent."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from billing.models import AlertSettings
from billing.models.alerts import LEAST_PERCENT, MAX_PERCENTS, MOST_PERCENT
from orgs.commands.proofs import ChangedMeanwhile, Values, is_signed
from orgs.errors import DomainError


class InvalidPercents(DomainError):
    """Percentages that alerts cannot be sent at."""

    code = "invalid_alert_percents"


def check_percents(percents: Iterable[int], *, field: str = "") -> list[int]:
    """Return the percentages ascending and once each; raise `InvalidPercents`."""
    numbers = sorted(set(percents))
    fields = (field,) if field else ()
    if not 1 <= len(numbers) <= MAX_PERCENTS:
        raise InvalidPercents(
            f"Enter 1 to {MAX_PERCENTS} percentages, or none for the default ones.",
            fields=fields,
        )
    if numbers[0] < LEAST_PERCENT or numbers[-1] > MOST_PERCENT:
        wrong = numbers[0] if numbers[0] < LEAST_PERCENT else numbers[-1]
        raise InvalidPercents(
            f"{wrong} is not a percentage from {LEAST_PERCENT} to {MOST_PERCENT}.",
            fields=fields,
        )
    return numbers


def read_percents(organization_id: int) -> dict[str, Any]:
    """Return the chosen percentages by list; None for the default ones."""
    rows = AlertSettings.objects.filter(organization_id=organization_id)
    limits, entitlements = rows.values_list(
        "limit_percents", "entitlement_percents"
    ).first() or (None, None)
    return {"limits": limits, "entitlements": entitlements}


@transaction.atomic
def set_percents(organization_id: int, values: Values, *, proof: str = "") -> None:
    """Set the percentages of the lists that are given; None for the default ones.

    An alert that was sent at a percentage is not sent again in its period, also if the
    percentage is removed and added again. Raises `InvalidPercents`, and
    `ChangedMeanwhile` if the percentages are not those of the proof by now.
    """
    AlertSettings.objects.get_or_create(organization_id=organization_id)
    rows = AlertSettings.objects.select_for_update()
    settings = rows.get(organization_id=organization_id)
    if proof and not is_signed(proof, read_percents(organization_id)):
        raise ChangedMeanwhile
    for name, percents in values.items():
        checked = None if percents is None else check_percents(percents, field=name)
        setattr(settings, f"{name.removesuffix('s')}_percents", checked)
    settings.save(
        update_fields=[f"{name.removesuffix('s')}_percents" for name in values]
    )
