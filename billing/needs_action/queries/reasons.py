"""Query of the organizations that need action, and why.

All pages, the API and the CSV file show reasons that `list_reasons` reads, or for a
whole file `find_needs`. Which organizations a page shows, and how many there are, is
computed in PostgreSQL from the same rows: see `scores`. One statement reads all kinds
of reasons, each by an index up to a cap: it costs the same for a thousand organizations
as for a million.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from billing.models import ReasonSnooze
from billing.needs_action.kinds import (
    DEFINITIONS,
    GROUPS,
    MAX_DAYS,
    ReasonDefinition,
    ReasonGroup,
    ReasonKind,
    Severity,
)
from billing.needs_action.queries.statements import reasons_statement
from orgs.queries.prepared import array, fetch_all

MAX_COUNT = 1_000  # rows of a kind in a white label; more are shown as "1,000+"
TRIAL_ENDING_WITHIN = timedelta(days=14)
_TRIAL_LOST_WITHIN = timedelta(days=30)
_EMAILS_WITHIN = timedelta(days=30)
_SPIKES_WITHIN = timedelta(days=7)
_SILENT_WITHIN = timedelta(days=60)
_ENTITLEMENT_STEP = 10  # percent; each makes a snoozed entitlement worse
_ALL_KINDS = frozenset(ReasonKind)
ZERO = Decimal(0)


@dataclass(slots=True)
class Reason:
    """A reason why an organization needs action, such as its overdue invoices.

    `at` is the earliest instant among its rows (None where it is not known), `count`
    their number, and `owed` their unpaid amounts by currency. `differences` are the
    amounts by currency that invoices have too little of, below 0: too much. `value`,
    `base` and `day` are those of the row that is used most. A `snooze` hides it.
    """

    kind: ReasonKind
    at: datetime | None = None
    note: str = ""
    count: int = 0
    owed: dict[str, Decimal] = field(default_factory=dict)
    differences: dict[str, Decimal] = field(default_factory=dict)
    subjects: list[str] = field(default_factory=list)
    value: Decimal | None = None
    base: Decimal | None = None
    day: date | None = None
    snooze: ReasonSnooze | None = None

    def add(self, row: "_ReasonRow") -> None:
        """Count a row of the query into this reason."""
        self.count += 1
        self.at = min(filter(None, (self.at, row.at)), default=None)
        self.note = self.note or row.note
        is_difference = self.kind is ReasonKind.UNBILLED
        sums = self.differences if is_difference else self.owed
        if row.amount is not None:
            sums[row.currency] = sums.get(row.currency, ZERO) + row.amount
        if _ratio(row.value, row.base) > _ratio(self.value, self.base) or (
            not self.subjects
        ):
            self.value, self.base, self.day = row.value, row.base, row.day
            self.subjects.insert(0, row.subject)
        else:
            self.subjects.append(row.subject)

    @property
    def definition(self) -> ReasonDefinition:
        return DEFINITIONS[self.kind]

    @property
    def severity(self) -> Severity:
        return self.definition.severity

    @property
    def used(self) -> Decimal | None:
        """The used part of `base`: 1 is all of it; None without one."""
        return _ratio(self.value, self.base) if self.base is not None else None

    @property
    def level(self) -> int:
        """How bad it is, to compare with itself: a higher number is worse.

        The number of invoices, emails or products it concerns; of an entitlement, how
        many tenths of it are used.
        """
        if self.kind in GROUPS[ReasonGroup.ENTITLEMENTS]:
            used = _ratio(self.value, self.base) * 100 // _ENTITLEMENT_STEP
            return self.count + int(min(used, Decimal(1_000_000)))
        return self.count

    def points(self, now: datetime) -> int:
        """Return what it adds to the score: its weight, and more for its age."""
        days = max((now - self.at).days, 0) if self.at else 0
        definition = self.definition
        return definition.weight + definition.per_day * min(days, MAX_DAYS)

    def is_hidden_by(self, snooze: ReasonSnooze, now: datetime) -> bool:
        """Return whether a snooze still holds: nothing got worse or began again."""
        return (
            snooze.ended_at is None
            and snooze.until > now
            and self.level <= snooze.level
            and not self.began_after(snooze.reason_at)
        )

    def began_after(self, at: datetime | None) -> bool:
        return at is not None and self.at is not None and self.at > at


def _ratio(value: Decimal | None, base: Decimal | None) -> Decimal:
    """Return the used part; all of it, and more, when anything is used of nothing."""
    if not value or base is None:
        return ZERO
    return value / base if base else Decimal(1)


@dataclass(slots=True)
class OrganizationInNeed:
    """An organization with its reasons, the heaviest first, and those snoozed."""

    organization_id: int
    name: str
    external_id: str
    white_label_id: int
    reasons: list[Reason] = field(default_factory=list)
    snoozed: list[Reason] = field(default_factory=list)
    score: int = 0

    def get(self, kind: ReasonKind) -> Reason:
        """Return the reason of a kind, added if it is new."""
        for reason in self.reasons:
            if reason.kind is kind:
                return reason
        self.reasons.append(Reason(kind))
        return self.reasons[-1]

    @property
    def severity(self) -> Severity:
        """The most urgent of its reasons."""
        shown = {reason.severity for reason in self.reasons or self.snoozed}
        return next(severity for severity in Severity if severity in shown)

    @property
    def kinds(self) -> frozenset[ReasonKind]:
        return frozenset(reason.kind for reason in self.reasons)

    def finish(self, snoozes: Sequence[ReasonSnooze], now: datetime) -> None:
        """Sort reasons, leave out repeated and snoozed ones, and add up the score."""
        kinds, by_kind = self.kinds, {snooze.reason: snooze for snooze in snoozes}
        order = list(ReasonKind)
        reasons = [
            reason
            for reason in sorted(self.reasons, key=lambda row: order.index(row.kind))
            if reason.definition.superseded_by not in kinds
        ]
        for reason in reasons:
            snooze = by_kind.get(reason.kind)
            if snooze is not None and reason.is_hidden_by(snooze, now):
                reason.snooze = snooze
        self.reasons = [reason for reason in reasons if reason.snooze is None]
        self.snoozed = [reason for reason in reasons if reason.snooze is not None]
        self.score = sum(reason.points(now) for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class NeedFilters:
    """Filters of Needs action; empty ones let everything pass.

    `is_snoozed` selects organizations with a snoozed reason instead of an open one.
    """

    kinds: frozenset[ReasonKind] = frozenset()
    severity: Severity | None = None
    is_snoozed: bool = False

    @property
    def selected_kinds(self) -> frozenset[ReasonKind]:
        """The kinds of the reasons that pass."""
        return frozenset(
            kind
            for kind in self.kinds or _ALL_KINDS
            if self.severity in (None, DEFINITIONS[kind].severity)
        )

    def select(self, organization: OrganizationInNeed) -> bool:
        """Return whether an organization has a reason that passes."""
        rows = organization.snoozed if self.is_snoozed else organization.reasons
        return any(reason.kind in self.selected_kinds for reason in rows)


@dataclass(frozen=True, slots=True)
class Needs:
    """The organizations that need action, the highest score first.

    `capped` are the kinds of which there are more than were read.
    """

    organizations: Sequence[OrganizationInNeed]
    capped: frozenset[ReasonKind] = frozenset()

    def select(self, filters: NeedFilters) -> "Needs":
        """Return the organizations that pass the filters."""
        rows = list(filter(filters.select, self.organizations))
        return replace(self, organizations=rows)

    def count(self, kinds: Collection[ReasonKind]) -> "Count":
        """Return how many organizations have an open reason of some kinds."""
        number = sum(not row.kinds.isdisjoint(kinds) for row in self.organizations)
        return Count.of(number, is_capped=not self.capped.isdisjoint(kinds))

    def count_selected(self, filters: NeedFilters) -> "Count":
        """Return how many organizations pass the filters."""
        number = sum(map(filters.select, self.organizations))
        kinds = filters.selected_kinds
        return Count.of(number, is_capped=not self.capped.isdisjoint(kinds))

    def count_severity(self, severity: Severity) -> "Count":
        """Return how many organizations have a reason of a severity."""
        return self.count(
            [k for k in ReasonKind if DEFINITIONS[k].severity == severity]
        )

    @property
    def total(self) -> "Count":
        number = sum(1 for row in self.organizations if row.reasons)
        return Count.of(number, is_capped=bool(self.capped))


class Count(NamedTuple):
    """A number of organizations; with `is_capped` there are more."""

    number: int
    is_capped: bool

    @classmethod
    def of(cls, number: int, *, is_capped: bool) -> "Count":
        """Return the count, at most `MAX_COUNT`."""
        is_more = is_capped or number > MAX_COUNT
        return cls(min(number, MAX_COUNT), is_more)

    def __str__(self) -> str:
        return f"{self.number:,}{'+' if self.is_capped else ''}"


class _ReasonRow(NamedTuple):
    kind: str
    organization_id: int
    name: str
    external_id: str
    white_label_id: int
    at: datetime | None
    subject: str
    amount: Decimal | None
    currency: str
    value: Decimal | None
    base: Decimal | None
    day: date | None
    note: str


def find_needs(
    white_label_ids: Collection[int],
    *,
    now: datetime,
    cap: int | None = MAX_COUNT,
) -> Needs:
    """Return the organizations of white labels that need action, most urgent first.

    Two statements. `cap` is the most rows that are read of each kind and white label;
    None reads all, for a download. Organizations of which all reasons are snoozed come
    last.
    """
    limit = None if cap is None else cap + 1
    rows = _fetch("white_label", white_label_ids, _ALL_KINDS, now, limit)
    snoozes = _open_snoozes({"white_label__in": list(white_label_ids)})
    return Needs(_build(rows, snoozes, now), _capped(rows, cap))


def find_of_kinds(
    white_label_ids: Collection[int],
    kinds: Collection[ReasonKind],
    *,
    now: datetime,
    cap: int | None = MAX_COUNT,
) -> Needs:
    """Return the organizations with a reason of these kinds, also snoozed; a statement.

    Only these reasons are read, up to the cap of each kind; None reads all.
    """
    limit = None if cap is None else cap + 1
    rows = _fetch("white_label", white_label_ids, kinds, now, limit)
    return Needs(_build(rows, {}, now), _capped(rows, cap))


def list_reasons(
    organization_ids: Collection[int],
    *,
    now: datetime,
    kinds: Collection[ReasonKind] = _ALL_KINDS,
) -> dict[int, OrganizationInNeed]:
    """Return the organizations that have reasons, by ID, with all of them.

    Two statements, however many organizations are asked for; one if none has a reason.
    """
    rows = _fetch("organization", organization_ids, kinds, now, None)
    ids = {row.organization_id for row in rows}
    snoozes = _open_snoozes({"organization__in": ids}) if ids else {}
    return {row.organization_id: row for row in _build(rows, snoozes, now)}


_COUNT = "select count(*) from ({rows}) counted"


def count_reason_rows(
    white_label_ids: Collection[int],
    *,
    now: datetime,
    kinds: Collection[ReasonKind] = _ALL_KINDS,
    limit: int | None,
) -> int:
    """Return of how many rows reasons are made, each kind counted up to a limit.

    At least as many as there are reasons: several overdue invoices are one. One
    statement, whose rows stay in the database.
    """
    if not white_label_ids or not kinds:
        return 0
    rows = _statement("white_label", frozenset(kinds))
    scope = {"scope": array(white_label_ids), "cap": limit}
    parameters = {**query_parameters(now), **scope}
    return int(fetch_all(_COUNT.format(rows=rows), parameters)[0][0])


def query_parameters(now: datetime) -> dict[str, datetime]:
    """Return the instants that the statements compare with."""
    return {
        "now": now,
        "ends_until": now + TRIAL_ENDING_WITHIN,
        "lost_since": now - _TRIAL_LOST_WITHIN,
        "emails_since": now - _EMAILS_WITHIN,
        "spikes_since": now - _SPIKES_WITHIN,
        "silent_since": now - _SILENT_WITHIN,
    }


@cache
def _statement(scope: str, kinds: frozenset[ReasonKind]) -> str:
    return reasons_statement(kinds, scope=scope)


def _fetch(
    scope: str,
    ids: Collection[int],
    kinds: Collection[ReasonKind],
    now: datetime,
    limit: int | None,
) -> list[_ReasonRow]:
    if not ids or not kinds:
        return []
    parameters = {**query_parameters(now), "scope": array(ids), "cap": limit}
    rows = fetch_all(_statement(scope, frozenset(kinds)), parameters)
    return [_ReasonRow(*row) for row in rows]


def _open_snoozes(scope: Mapping[str, object]) -> dict[int, list[ReasonSnooze]]:
    by_organization: dict[int, list[ReasonSnooze]] = {}
    for snooze in ReasonSnooze.objects.filter(ended_at=None, **scope):
        by_organization.setdefault(snooze.organization_id, []).append(snooze)
    return by_organization


def _build(
    rows: Iterable[_ReasonRow],
    snoozes: Mapping[int, Sequence[ReasonSnooze]],
    now: datetime,
) -> list[OrganizationInNeed]:
    organizations: dict[int, OrganizationInNeed] = {}
    for row in rows:
        organization = organizations.get(row.organization_id)
        if organization is None:
            organization = organizations[row.organization_id] = OrganizationInNeed(
                *row[1:5]
            )
        organization.get(ReasonKind(row.kind)).add(row)
    for id_, organization in organizations.items():
        organization.finish(snoozes.get(id_, ()), now)
    return sorted(organizations.values(), key=_urgency)


def _urgency(row: OrganizationInNeed) -> tuple[int, int]:
    return -row.score, row.organization_id


def _capped(rows: Iterable[_ReasonRow], cap: int | None) -> frozenset[ReasonKind]:
    """Return the kinds with more rows in a white label than the cap."""
    if cap is None:
        return frozenset()
    counts = Counter((row.kind, row.white_label_id) for row in rows)
    return frozenset(
        ReasonKind(kind) for (kind, _), number in counts.items() if number > cap
    )
