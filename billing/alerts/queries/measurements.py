"""Measurements of organizations, and the thresholds that they newly reached."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.alerts.kinds import ALERT_KINDS, AlertKind
from billing.alerts.measures import Measure
from billing.alerts.queries import statements
from billing.money import is_limit_reached
from orgs.queries.prepared import array, fetch_all

_SLUG = -2  # the column that is null in rows of access changes


@dataclass(frozen=True, slots=True)
class Scenario:
    """Supposed spending or limits; None keeps the current value, limit 0 removes it."""

    spend: Decimal | None = None  # the open period's cost, before free balance
    soft: Decimal | None = None
    hard: Decimal | None = None

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters of the statements that measure."""
        return {
            "spend": self.spend,
            "soft": self.soft,
            "soft_given": self.soft is not None,
            "hard": self.hard,
            "hard_given": self.hard is not None,
        }


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
        definition = self.measure.definition
        return (self.is_conclusive or definition.is_lower_bound) and kind.is_reached(
            self.value, self.base
        )


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
    """Return all measurements of an organization, reached or not, in two statements."""
    parameters = _parameters([organization_id], now, scenario or Scenario())
    queries = (statements.ALL_NOW, statements.ALL_DAYS)
    return [_measurement(row) for sql in queries for row in fetch_all(sql, parameters)]


def find_changes(
    organization_ids: Iterable[int], *, now: datetime, daily: bool = False
) -> Changes:
    """Find newly reached thresholds and access changes, in one statement.

    `daily` evaluates complete days, which never change access. The caller must hold
    the evaluation lock (`billing.alerts.commands.evaluation`) from before this call to
    its commit, or an older result may overwrite a newer one.
    """
    statement = statements.NEW_DAYS if daily else statements.NEW_NOW
    rows = fetch_all(statement, _parameters(organization_ids, now, Scenario()))
    return Changes(
        thresholds=[_threshold(row) for row in rows if row[_SLUG] is not None],
        access=[_access_change(row) for row in rows if row[_SLUG] is None],
    )


def _parameters(
    ids: Iterable[int], now: datetime, scenario: Scenario
) -> dict[str, object]:
    return {"ids": array(ids), "now": now, **scenario.parameters}


def _threshold(row: Sequence[Any]) -> ReachedThreshold:
    *columns, slug, threshold = row
    return ReachedThreshold(
        ALERT_KINDS[slug], Decimal(threshold), _measurement(columns)
    )


def _access_change(row: Sequence[Any]) -> AccessChange:
    id_, _, _, payable, hard_limit, version, _, _, period, *_ = row
    is_over = is_limit_reached(payable, hard_limit)
    return AccessChange(id_, period, version, is_over)


def _measurement(row: Sequence[Any]) -> Measurement:
    id_, slug, *columns = row
    return Measurement(id_, Measure(slug), *columns)
