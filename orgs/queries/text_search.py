"""Search of organizations, members, projects and API keys by what callers say.

Every word has to be found. Where that has too few matches, misspelled words are
replaced by known words that are spelled almost alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import connection

from orgs.crypto import START_LENGTH
from orgs.queries.spelling import MIN_CHARACTERS, Spelling, find_spellings, split_parts

MIN_LENGTH = 2  # of a search: a single character matches half of all rows
MAX_LENGTH = 200  # further characters are ignored
ENOUGH = 5  # matches of a kind, after which spelling is not corrected
_MAX_WORDS = 8
_READ_ROWS = 200  # of each kind, of which the best are shown
_DELETED, _BEGINS_NAME, _BEGINS_WORD = 10.0, 0.5, 0.2  # weights of the ranking


class Kind(StrEnum):
    """The kinds of things that are searched for."""

    ORGANIZATION = "organization"
    MEMBER = "member"
    PROJECT = "project"
    API_KEY = "api_key"
    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"


SPELLED = (Kind.ORGANIZATION, Kind.MEMBER, Kind.PROJECT)  # their words are corrected


@dataclass(frozen=True, slots=True)
class Match:
    """A row that matches a search, with the organization it belongs to.

    `label` names it; `detail` distinguishes it from others of that name. A key of a
    whole white label belongs to no organization.
    """

    kind: Kind
    id: int
    label: str
    detail: str
    text: str  # the search key that was compared
    organization_id: int | None
    organization_name: str
    is_deleted: bool
    rank: float = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A table that is searched, as SQL.

    `hits` selects id, owner, label, detail, search text, and whether the row was
    deleted; it contains `{condition}`, the condition on `column`, and `{scope}`.
    """

    kind: Kind
    column: str
    hits: str


_OWNED = """
    and organization_id in (
        select id from orgs_organization where white_label_id = %(white_label)s)"""
_SOURCES = {
    Kind.ORGANIZATION: Source(
        Kind.ORGANIZATION,
        "search_text",
        """select id, id, name, external_id, search_text, deleted_at is not null
    from orgs_organization where {condition} {scope}""",
    ),
    Kind.MEMBER: Source(
        Kind.MEMBER,
        "search_text",
        """select id, organization_id,
        coalesce(nullif(name, ''), nullif(email, ''), external_id),
        case when name <> '' then coalesce(nullif(email, ''), external_id) else '' end,
        search_text, deleted_at is not null
    from orgs_member where {condition} {scope}""",
    ),
    Kind.PROJECT: Source(
        Kind.PROJECT,
        "search_text",
        """select id, organization_id, name, external_id, search_text,
        deleted_at is not null
    from orgs_project where {condition} {scope}""",
    ),
    Kind.API_KEY: Source(
        Kind.API_KEY,
        "start",
        """select id, organization_id, name, start || '…', start, revoked_at <= now()
    from orgs_apikey where {condition} {scope}""",
    ),
}
# All hits are found before the first rows are read. With the limit inside, PostgreSQL
# would expect hits everywhere and read the table until it has found enough of them.
# Each source has its own hits: the limit bounds what is read, not what matches.
_MATCHES = """
select '{kind}', h.id, h.label, h.detail, h.text, o.id, coalesce(o.name, ''),
    coalesce(h.is_deleted or o.deleted_at is not null, false)
from (with hits (id, owner, label, detail, text, is_deleted) as materialized ({hits})
    select * from hits limit {rows}) h
left join orgs_organization o on o.id = h.owner
"""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The rows a search may find: those of one white label, or all (None)."""

    white_label_id: int | None


Condition = tuple[str, dict[str, Any]]  # SQL and its parameters
Search = tuple[Source, Condition]


def run_searches(viewer: Viewer, searches: Sequence[Search]) -> list[Match]:
    """Return the first matches of all searches, unordered; one statement.

    Reads 200 rows of each search at most.
    """
    if not searches:
        return []
    parameters: dict[str, Any] = {"white_label": viewer.white_label_id}
    statements = []
    for source, (condition, values) in searches:
        parameters |= values
        hits = source.hits.format(condition=condition, scope=_scope(viewer, source))
        statements.append(_MATCHES.format(kind=source.kind, hits=hits, rows=_READ_ROWS))
    with connection.cursor() as cursor:
        cursor.execute(" union all ".join(f"({s})" for s in statements), parameters)
        return [Match(Kind(kind), *values) for kind, *values in cursor.fetchall()]


def _scope(viewer: Viewer, source: Source) -> str:
    if viewer.white_label_id is None:
        return ""
    if source.kind in {Kind.ORGANIZATION, Kind.API_KEY}:
        return "and white_label_id = %(white_label)s"
    return _OWNED


def written_searches(text: str, kinds: Sequence[Kind]) -> list[Search]:
    """Return the searches for rows that have every word as it was written."""
    words = text.split()[:_MAX_WORDS]
    names = {f"word{i}": word for i, word in enumerate(words)}
    condition = " and ".join(
        f"search_text like orgs_search_pattern(%({n})s)" for n in names
    )
    searches: list[Search] = [
        (_SOURCES[kind], (condition, names)) for kind in SPELLED if kind in kinds
    ]
    if Kind.ORGANIZATION in kinds and text.isascii() and text.isdigit():
        by_id = "(" + condition + " or id = %(number)s)"
        number = int(text) if len(text) < len(str(2**63)) else 0
        searches[0] = (searches[0][0], (by_id, {**names, "number": number}))
    if Kind.API_KEY in kinds and len(words) == 1:
        start = words[0][:START_LENGTH]  # of a whole key, what is stored of it
        key_condition = ("start like %(start)s", {"start": f"{escape_like(start)}%"})
        searches.append((_SOURCES[Kind.API_KEY], key_condition))
    return searches


def escape_like(text: str) -> str:
    """Return a text as a pattern of `like` that matches only itself."""
    for character in ("\\", "%", "_"):
        text = text.replace(character, f"\\{character}")
    return text


def spelled_searches(
    spellings: Sequence[Sequence[Spelling]], kinds: Sequence[Kind]
) -> list[Search]:
    """Return the searches for rows that have one of the spellings of every word."""
    patterns = {
        f"spellings{i}": [spelling.pattern for spelling in group]
        for i, group in enumerate(spellings)
    }
    condition = " and ".join(f"search_text like any(%({name})s)" for name in patterns)
    return [
        (_SOURCES[kind], (condition, patterns)) for kind in SPELLED if kind in kinds
    ]


def correct(key: str) -> list[list[Spelling]]:
    """Return the spellings of the words of a search key; empty if it has no words."""
    parts = split_parts(key)
    return find_spellings(parts) if parts else []


def without_numbers(spellings: Sequence[Sequence[Spelling]]) -> list[list[Spelling]]:
    """Return the spellings of the words alone, for a number that was mistyped.

    Empty if they are so short that half of all rows have them.
    """
    words = [list(group) for group in spellings if not group[0].parts[0].isdigit()]
    is_long = any(len(group[0].parts[0]) > MIN_CHARACTERS for group in words)
    return words if is_long else []


def rank(match: Match, spellings: Sequence[Sequence[Spelling]], key: str) -> float:
    """Return how well a match fits the search; the best is the greatest."""
    score = sum(_best(match.text, group) for group in spellings)
    if key and match.text.startswith(key):
        score += _BEGINS_NAME
    return score - (_DELETED if match.is_deleted else 0)


def _best(text: str, group: Sequence[Spelling]) -> float:
    return max(
        (
            spelling.weight + (_BEGINS_WORD if _begins_word(text, spelling) else 0)
            for spelling in group
            if all(part in text for part in spelling.parts)
        ),
        default=0,
    )


def _begins_word(text: str, spelling: Spelling) -> bool:
    return text.startswith(spelling.parts[0]) or f" {spelling.parts[0]}" in text


def search_key(text: str) -> str:
    """Return the search key of a text, as PostgreSQL computes it."""
    with connection.cursor() as cursor:
        cursor.execute("select orgs_search_key(%s)", [text])
        return str(cursor.fetchone()[0])
