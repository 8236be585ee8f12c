"""Query of the scores and counts of organizations that need action, in PostgreSQL.

Up to 1,000 rows of each kind are read; with the rules of `OrganizationInNeed.finish`
they become a score and two sets of kinds for each organization. Only the organizations
that a page shows are read as objects.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache as once
from hashlib import sha256
from typing import NamedTuple

from django.core.cache import cache
from redis import RedisError

from billing.needs_action.kinds import (
    DEFINITIONS,
    GROUPS,
    MAX_DAYS,
    ReasonGroup,
    ReasonKind,
    Severity,
)
from billing.needs_action.queries.reasons import (
    MAX_COUNT,
    Count,
    NeedFilters,
    Needs,
    query_parameters,
)
from billing.needs_action.queries.statements import KIND_NUMBERS, scores_statement
from orgs.queries.prepared import array, fetch_all

_CACHE_SECONDS = 15
_ALL = frozenset(ReasonKind)
_OF_SEVERITY = {
    severity: frozenset(k for k in ReasonKind if DEFINITIONS[k].severity is severity)
    for severity in Severity
}


class ScoredOrganization(NamedTuple):
    """An organization with an open or a snoozed reason."""

    score: int
    organization_id: int


@dataclass(frozen=True, slots=True)
class NeedCounts:
    """How many organizations have an open reason, by group and severity.

    A snoozed reason is not counted, except in `snoozed`, the number of such reasons.
    `selected` are the organizations that the filters select. `capped` are the kinds of
    which there are more than were read.
    """

    total: Count
    groups: dict[ReasonGroup, Count]
    severities: dict[Severity, Count]
    selected: Count
    snoozed: int
    capped: frozenset[ReasonKind]


@dataclass(frozen=True, slots=True)
class Scores:
    """The counts, and the first organizations after a position in the order."""

    counts: NeedCounts
    rows: list[ScoredOrganization]


NO_FILTERS = NeedFilters()
_BEFORE_ALL = ScoredOrganization(2**31 - 1, 0)


def read_scores(
    white_label_ids: Collection[int],
    *,
    now: datetime,
    filters: NeedFilters = NO_FILTERS,
    after: ScoredOrganization | None = None,
    size: int = 0,
) -> Scores:
    """Return the counts and the next organizations, the highest score first.

    One statement. Equal scores are in the order of the IDs. Where there are more
    reasons of a kind than are read, that takes 200 ms, so the result without filters is
    kept for 15 seconds.
    """
    if filters != NO_FILTERS or after is not None:
        return _read(white_label_ids, now, filters, after or _BEFORE_ALL, size)
    ids = ",".join(map(str, sorted(white_label_ids)))
    key = f"needs:{size}:{sha256(ids.encode()).hexdigest()}"
    scores = _recall(key)
    if scores is None:
        scores = _read(white_label_ids, now, filters, _BEFORE_ALL, size)
        if scores.counts.capped:
            _remember(key, scores)
    return scores


def _recall(key: str) -> Scores | None:
    try:
        scores: Scores | None = cache.get(key)
    except RedisError:
        return None
    return scores


def _remember(key: str, scores: Scores) -> None:
    with suppress(RedisError):
        cache.set(key, scores, _CACHE_SECONDS)


def _read(
    white_label_ids: Collection[int],
    now: datetime,
    filters: NeedFilters,
    after: ScoredOrganization,
    size: int,
) -> Scores:
    kinds = filters.selected_kinds
    parameters = {
        **query_parameters(now),
        "scope": array(white_label_ids),
        "cap": MAX_COUNT + 1,
        "max_count": MAX_COUNT,
        "mask": _mask(kinds),
        "is_snoozed": filters.is_snoozed,
        "after_score": after.score,
        "after_id": after.organization_id,
        "size": size,
    }
    rows = fetch_all(_statement(), parameters)
    [(numbers, capped)] = [row[2:] for row in rows if row[2] is not None]
    scored = [ScoredOrganization(*row[:2]) for row in rows if row[2] is None]
    return Scores(_counts(numbers, _kinds(capped), kinds), scored)


def _counts(
    numbers: list[int], capped: frozenset[ReasonKind], selected: frozenset[ReasonKind]
) -> NeedCounts:
    snoozed, *organizations = numbers
    counts = iter(organizations)

    def count(kinds: frozenset[ReasonKind]) -> Count:
        return Count.of(next(counts), is_capped=not capped.isdisjoint(kinds))

    return NeedCounts(
        selected=count(selected),
        total=count(_ALL),
        groups={group: count(kinds) for group, kinds in GROUPS.items()},
        severities={severity: count(k) for severity, k in _OF_SEVERITY.items()},
        snoozed=snoozed,
        capped=capped,
    )


def _mask(kinds: Collection[ReasonKind]) -> int:
    """Return a set of kinds as an integer with a bit for each."""
    return sum(1 << KIND_NUMBERS[kind] for kind in kinds)


def _kinds(mask: int) -> frozenset[ReasonKind]:
    return frozenset(kind for kind, n in KIND_NUMBERS.items() if mask >> n & 1)


def count_needs(needs: Needs, filters: NeedFilters = NO_FILTERS) -> NeedCounts:
    """Return the counts of organizations that were read with all their reasons."""
    severities = {severity: needs.count_severity(severity) for severity in Severity}
    return NeedCounts(
        selected=needs.count_selected(filters),
        total=needs.total,
        groups={group: needs.count(kinds) for group, kinds in GROUPS.items()},
        severities=severities,
        snoozed=sum(len(row.snoozed) for row in needs.organizations),
        capped=needs.capped,
    )


# One row for each organization; `open` and `snoozed` are sets of kinds. A kind that is
# superseded by another one of the organization is left out.
_NEEDS = """
with kinds (kind, slug, weight, per_day, superseded_by) as (values {kinds}),
rows (kind, id, white_label_id, at, used) as materialized ({rows}),
reasons as (
    select kind, id, min(at) as at,
        count(*) + least(floor(max(used) * 10), 1000000) as level
    from rows group by 1, 2),
marked as (
    select r.id, 1 << r.kind as bit, s.id is not null as is_snoozed,
        k.weight + k.per_day * least(greatest(coalesce(
            floor(extract(epoch from %(now)s - r.at) / 86400), 0), 0), {days})
            as points
    from reasons r join kinds k on k.kind = r.kind
    left join reasons other on other.id = r.id and other.kind = k.superseded_by
    left join billing_reasonsnooze s on s.organization_id = r.id
        and s.reason = k.slug and s.ended_at is null and s.until > %(now)s
        and r.level <= s.level
        and coalesce(r.at <= s.reason_at, true)
    where other.id is null),
needs as materialized (
    select id, coalesce(sum(points) filter (where not is_snoozed), 0)::integer as score,
        coalesce(bit_or(bit) filter (where not is_snoozed), 0) as open,
        coalesce(bit_or(bit) filter (where is_snoozed), 0) as snoozed
    from marked group by 1)
"""
# The counts, and the organizations of a page.
_SCORES = """
(select 0 as score, 0 as id, (
        select array[coalesce(sum(bit_count(snoozed::bit(32))), 0)::bigint, {counts}]
        from needs),
    (select coalesce(bit_or(1 << kind), 0) from (
        select kind from rows group by kind, white_label_id
        having count(*) > %(max_count)s) capped))
union all
(select score, id, null, null from needs
    where case when %(is_snoozed)s then snoozed else open end & %(mask)s <> 0
        and (-score, id) > (-%(after_score)s, %(after_id)s)
    order by score desc, id limit %(size)s)
"""


_COUNT_SELECTED = """count(*) filter (
    where case when %(is_snoozed)s then snoozed else open end & %(mask)s <> 0)"""
_IDS = "select id from needs where open & {mask} <> 0"


@once
def _statement() -> str:
    sets = [_ALL, *GROUPS.values(), *_OF_SEVERITY.values()]
    counts = [
        _COUNT_SELECTED,
        *(f"count(*) filter (where open & {_mask(kinds)} <> 0)" for kinds in sets),
    ]
    return _needs(_ALL) + _SCORES.format(counts=", ".join(counts))


@once
def ids_statement(kinds: frozenset[ReasonKind]) -> str:
    """Return the statement of the organizations that have an open reason of a kind.

    Parameters are `scope`, the IDs of white labels, `cap`, the most rows of each kind
    and white label, null for all, and those of `query_parameters`.
    """
    superseding = {by for kind in kinds if (by := DEFINITIONS[kind].superseded_by)}
    return _needs(kinds | superseding) + _IDS.format(mask=_mask(kinds))


def _needs(kinds: frozenset[ReasonKind]) -> str:
    return _NEEDS.format(
        kinds=", ".join(map(_values, ReasonKind)),
        rows=scores_statement(kinds),
        days=MAX_DAYS,
    )


def _values(kind: ReasonKind) -> str:
    row = DEFINITIONS[kind]
    by = row.superseded_by
    number = "null::integer" if by is None else KIND_NUMBERS[by]
    return f"({KIND_NUMBERS[kind]}, '{kind}', {row.weight}, {row.per_day}, {number})"
