"""The day a limit falls: one day, whoever says it, and the list in its order."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from billing.models import Alert
from billing.queries import outlook
from metrics.periods import day_of
from orgs.models import Organization, WhiteLabel
from tests.alerting import limit, look
from tests.factories import (
    NOW,
    event,
    make_rate,
    record,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


def spend(organization: Organization, costs: dict[int, int]) -> None:
    """So much, so many days ago, at this hour."""
    events = [
        event(
            f"{organization.external_id}-{days}",
            organization=organization.external_id,
            timestamp=(NOW - timedelta(days=days)).isoformat(),
            quantities={"requests": cost},
        )
        for days, cost in costs.items()
    ]
    record(organization.white_label, events)


def week(cost: int, today: int = 0) -> dict[int, int]:
    return {0: today, **dict.fromkeys(range(1, 8), cost)}


def pace_letter(organization: Organization, now: datetime) -> str | None:
    look(organization, now=now, daily=True)
    alert = Alert.objects.get(organization=organization, kind="pace")
    found: str | None = alert.facts["crosses_on"]
    return found


@pytest.mark.parametrize(
    ("at", "falls"),
    [
        # 7 days of 10 and 30 today are 100; the limit is 50 further.
        (datetime(2026, 11, 21, 12, tzinfo=UTC), "2026-11-26"),
        # Usage of that day may still arrive: it is not one of the seven.
        (datetime(2026, 11, 22, 2, tzinfo=UTC), "2026-11-27"),
        # It is, with its 30: 90 in a week, so 50 take four days.
        (datetime(2026, 11, 22, 3, tzinfo=UTC), "2026-11-26"),
    ],
)
def test_page_and_letter_say_the_same_day_at_every_hour(
    acme: WhiteLabel, org: Organization, at: datetime, falls: str
) -> None:
    make_rate(acme, "1")
    spend(org, week(10, today=30))
    limit(org, "soft", "150")

    with time_machine.travel(at, tick=False):
        today = day_of(at, org.white_label.zone)
        [soft] = outlook(org, today=today).limits
        said = pace_letter(org, at)

    assert (str(soft.crosses_on), said) == (falls, falls)
