"""Organizations measured by everything that alerts look at, and what changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.alerts.kinds import ALERT_KINDS, AlertKind, Measure
from billing.alerts.queries import statements
from orgs.queries.prepared import array, fetch_all

_SLUG = -2  # the column that only rows of crossings have


@dataclass(frozen=True, slots=True)
class Suppose:
    """What if the spend were another, or a limit? None: as it is; limit 0: none."""

    spend: Decimal | None = None  # the open period's cost, before free balance
    soft: Decimal | None = None
    hard: Decimal | None = None

    @property
    def parameters(self) -> dict[str, object]:
        return {
            "spend": self.spend,
            "soft": self.soft,
            "soft_given": self.soft is not None,
            "hard": self.hard,
            "hard_given": self.hard is not None,
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of an organization: the value, and what it is held against.

    `base` is a limit, a balance, a median; 1 of what just happens. `more` has the
    numbers around it, amounts as text: see `statements._MORE`.
    """

    organization_id: int
    measure: Measure
    subject: str
    value: Decimal
    base: Decimal
    version: int
    period: str
    is_conclusive: bool  # false: a day is still arriving or missing
    billing_period: int
    more: dict[str, Any]

    def is_reached(self, kind: AlertKind) -> bool:
        """Whether an alert of the kind would be recorded, were there none yet."""
        is_sure = self.is_conclusive or self.measure == Measure.PACE
        return is_sure and kind.is_reached(self.value, self.base)

    def threshold(self, kind: AlertKind) -> Decimal:
        return self.base if kind.names_amount else Decimal(kind.threshold)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A threshold that is crossed and not in the ledger."""

    kind: AlertKind
    threshold: Decimal
    measured: Measured


@dataclass(frozen=True, slots=True)
class AccessChange:
    """An organization that came over its hard limit, or is no longer over it."""

    organization_id: int
    period: int
    limit_version: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What an evaluation found and has to write."""

    crossings: list[Crossing]
    access: list[AccessChange]


def measure(
    organization_id: int, *, now: datetime, suppose: Suppose | None = None
) -> list[Measured]:
    """All that is measured of an organization, crossed or not; nothing is written."""
    parameters = _parameters([organization_id], now, suppose or Suppose())
    asked = (statements.ALL_NOW, statements.ALL_DAYS)
    return [_measured(row) for each in asked for row in fetch_all(each, parameters)]


def find_changes(
    organization_ids: Iterable[int], *, now: datetime, daily: bool = False
) -> Changes:
    """Find new crossings and access changes of these organizations, in one statement.

    `daily` evaluates complete days, which change nobody's access. Who writes what is
    found must hold the lock of `billing.alerts.commands` from before this call to the
    commit, or an older answer may overwrite a newer one.
    """
    statement = statements.NEW_DAYS if daily else statements.NEW_NOW
    rows = fetch_all(statement, _parameters(organization_ids, now, Suppose()))
    return Changes(
        crossings=[_crossing(row) for row in rows if row[_SLUG] is not None],
        access=[_access_change(row) for row in rows if row[_SLUG] is None],
    )


def _parameters(
    ids: Iterable[int], now: datetime, suppose: Suppose
) -> dict[str, object]:
    return {"ids": array(ids), "now": now, **suppose.parameters}


def _crossing(row: Sequence[Any]) -> Crossing:
    *measured, slug, threshold = row
    return Crossing(ALERT_KINDS[slug], Decimal(threshold), _measured(measured))


def _access_change(row: Sequence[Any]) -> AccessChange:
    *measured, _, _ = row
    id_, _, _, payable, hard_limit, version, _, _, period, _ = measured
    return AccessChange(id_, period, version, payable >= hard_limit)


def _measured(row: Sequence[Any]) -> Measured:
    id_, measured, *rest = row
    return Measured(id_, Measure(measured), *rest)


def plain(amount: Decimal | str) -> str:
    """Every digit that counts, and no exponent: 12.5, 1000."""
    text = format(Decimal(amount), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
