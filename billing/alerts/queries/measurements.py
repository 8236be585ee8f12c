"""Measurements of organizations, and the thresholds that they newly reached."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.alerts.kinds import AlertKind, kind_at
from billing.alerts.measures import Measure
from billing.alerts.queries import statements
from billing.alerts.queries.expectations import (
    Expectation,
    Scenario,
    expect_usage,
    expectation_parameters,
)
from billing.money import is_limit_reached
from orgs.queries.prepared import array, fetch_all

_SLUG = -2  # the column that is null in rows of access changes


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measured value of an organization, and the base it is compared with.

    `base` is a limit, a balance or a median; 1 for events that just happen.
    `context` has the figures around it, amounts as text: see `statements._CONTEXT`.
    """

    organization_id: int
    measure: Measure
    subject: str
    value: Decimal
    base: Decimal
    version: int
    period: str
    is_conclusive: bool  # false: usage of a day is missing or may still arrive
    billing_period: int
    context: dict[str, Any]

    def is_reached(self, kind: AlertKind) -> bool:
        """Return whether it triggers an alert of the kind, unless one is recorded."""
        return self.is_conclusive and kind.is_reached(self.value, self.base)


@dataclass(frozen=True, slots=True)
class ReachedThreshold:
    """A threshold that was reached and has no alert yet."""

    kind: AlertKind
    threshold: Decimal
    measurement: Measurement


@dataclass(frozen=True, slots=True)
class AccessChange:
    """An organization that reached its hard limit, or is below it again."""

    organization_id: int
    period: int
    limit_version: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes that an evaluation has to write."""

    thresholds: list[ReachedThreshold]
    access: list[AccessChange]


def measure(
    organization_id: int, *, now: datetime, scenario: Scenario | None = None
) -> list[Measurement]:
    """Return all measurements of an organization, reached or not.

    Costs two statements, and those of the forecast.
    """
    scenario = scenario or Scenario()
    expected = expect_usage([organization_id], now=now, scenario=scenario)
    parameters = _parameters([organization_id], now, scenario, expected)
    queries = (statements.ALL_NOW, statements.ALL_DAYS)
    return [_measurement(row) for sql in queries for row in fetch_all(sql, parameters)]


def list_current_measurements(
    organization_ids: Iterable[int], *, now: datetime
) -> list[Measurement]:
    """Return the measurements of current figures, not of days; one statement."""
    parameters = _parameters(organization_ids, now, Scenario(), ())
    return [_measurement(row) for row in fetch_all(statements.ALL_NOW, parameters)]


def find_changes(
    organization_ids: Iterable[int],
    *,
    now: datetime,
    expected: Sequence[Expectation] | None = None,
) -> Changes:
    """Find newly reached thresholds and access changes, in one statement.

    With what is `expected`, complete days are evaluated, which never change access; it
    may be a little older than the evaluation. The caller must hold
    the evaluation lock (`billing.alerts.commands.evaluation`) from before this call to
    its commit, or an older result may overwrite a newer one.
    """
    statement = statements.NEW_NOW if expected is None else statements.NEW_DAYS
    parameters = _parameters(organization_ids, now, Scenario(), expected or ())
    rows = fetch_all(statement, parameters)
    return Changes(
        thresholds=[_threshold(row) for row in rows if row[_SLUG] is not None],
        access=[_access_change(row) for row in rows if row[_SLUG] is None],
    )


def _parameters(
    ids: Iterable[int],
    now: datetime,
    scenario: Scenario,
    expected: Sequence[Expectation],
) -> dict[str, object]:
    return {
        "ids": array(ids),
        "now": now,
        **scenario.parameters,
        **expectation_parameters(expected),
    }


def _threshold(row: Sequence[Any]) -> ReachedThreshold:
    *columns, slug, threshold = row
    kind = kind_at(slug, threshold)
    return ReachedThreshold(kind, Decimal(threshold), _measurement(columns))


def _access_change(row: Sequence[Any]) -> AccessChange:
    id_, _, _, payable, hard_limit, version, _, _, period, *_ = row
    is_over = is_limit_reached(payable, hard_limit)
    return AccessChange(id_, period, version, is_over)


def _measurement(row: Sequence[Any]) -> Measurement:
    id_, slug, *columns = row
    return Measurement(id_, Measure(slug), *columns)
