"""Search of organizations, members, projects and API keys by what callers say.

Every word has to be found. Where that has too few matches, misspelled words are
replaced by known words that are spelled almost alike.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from django.db import connection

from orgs.crypto import START_LENGTH
from orgs.queries.search_statements import SOURCES, Kind, Match, Search
from orgs.queries.spelling import Spelling

MIN_LENGTH = 2  # of a search: a single character matches half of all rows
MAX_LENGTH = 200  # further characters are ignored
ENOUGH = 5  # matches of a kind, after which spelling is not corrected
SPELLED = (Kind.ORGANIZATION, Kind.MEMBER, Kind.PROJECT)  # their words are corrected
_MAX_WORDS = 8
# Weights of the ranking.
_DELETED, _BEGINS_NAME, _BEGINS_WORD, _IS_COLUMN = 10.0, 0.5, 0.2, 0.3
_TRIGRAM = re.compile(r"[^\W_]{3}")  # what the index needs of a word
_LONG_NUMBER = re.compile(r"\W*\d{5}\d*\W*")
_SAMPLED_ROWS = 500  # for regular expressions, which cost more


def has_trigram(text: str) -> bool:
    """Return whether the trigram index finds a text: three characters in a row."""
    return _TRIGRAM.search(text) is not None


def written_searches(text: str, kinds: Sequence[Kind]) -> list[Search]:
    """Return the searches for rows that have every word as it was written."""
    words = text.split()[:_MAX_WORDS]
    names: dict[str, Any] = {f"word{i}": word for i, word in enumerate(words)}
    condition = " and ".join(
        f"{column} like orgs_search_pattern(%({name})s)"
        for name, column in zip(names, _columns(words), strict=True)
    )
    searches = [
        Search(SOURCES[kind], condition, names, by_index=has_trigram(text))
        for kind in SPELLED
        if kind in kinds and kind is not Kind.ORGANIZATION
    ]
    if Kind.ORGANIZATION in kinds:
        searches.append(_organizations(text, condition, names))
    if Kind.API_KEY in kinds and len(words) == 1:
        start = words[0][:START_LENGTH]  # of a whole key, what is stored of it
        searches.append(
            Search(
                SOURCES[Kind.API_KEY],
                "t.start like %(start)s",
                {"start": f"{escape_like(start)}%"},
                sampled=0,
            )
        )
    return searches


def _columns(words: Sequence[str]) -> list[str]:
    """Return the column that is compared with each word.

    Few rows have a long number, so the index looks for it alone: half of all rows may
    have a word beside it. Nothing is indexed of the column with an empty text behind.
    """
    numbers = [_LONG_NUMBER.fullmatch(word) is not None for word in words]
    by_index = numbers if any(numbers) else [True] * len(words)
    return ["t.search_text" if x else "(t.search_text || '')" for x in by_index]


# By the unique index, which starts with the white label.
_OF_EXTERNAL_ID = """orgs_whitelabel w join orgs_organization t
    on t.white_label_id = w.id and t.external_id = %(text)s where true"""
_OF_ID = "orgs_organization t where t.id = %(number)s"
# The first names from the text on, by their index; those that do not begin with it
# are left out afterwards, so that the order of characters does not matter.
_OF_NAME = """(select * from orgs_organization t where t.name_key >= lower(%(text)s)
    {scope} order by t.name_key, t.id limit 100) t
    where starts_with(t.name_key, lower(%(text)s))"""


def _organizations(text: str, condition: str, names: dict[str, Any]) -> Search:
    """Return the search for organizations: by IDs, beginnings of names, and words."""
    parameters = {**names, "text": unicodedata.normalize("NFC", text)}
    first = [_OF_EXTERNAL_ID, _OF_NAME]
    if text.isascii() and text.isdigit() and len(text) < len(str(2**63)):
        parameters["number"] = int(text)
        first.insert(0, _OF_ID)
    return Search(
        SOURCES[Kind.ORGANIZATION],
        condition,
        parameters,
        first=tuple(first),
        by_index=has_trigram(text),
    )


def escape_like(text: str) -> str:
    """Return a text as a pattern of `like` that matches only itself."""
    for character in ("\\", "%", "_"):
        text = text.replace(character, f"\\{character}")
    return text


def spelled_searches(
    spellings: Sequence[Sequence[Spelling]], kinds: Sequence[Kind]
) -> list[Search]:
    """Return the searches for rows that have one of the spellings of every word.

    A regular expression for each word: all of them are answered by one scan of the
    trigram index, where alternatives of `like` would take one for each combination.
    """
    patterns = {
        f"spellings{i}": "|".join(spelling.pattern for spelling in group)
        for i, group in enumerate(spellings)
    }
    columns = _columns([group[0].parts[0] for group in spellings])
    condition = " and ".join(
        f"{column} ~ %({name})s" for name, column in zip(patterns, columns, strict=True)
    )
    return [
        Search(SOURCES[kind], condition, dict(patterns), sampled=_SAMPLED_ROWS)
        for kind in SPELLED
        if kind in kinds
    ]


def rank(match: Match, spellings: Sequence[Sequence[Spelling]], key: str) -> float:
    """Return how well a match fits the search; the best is the greatest."""
    score = sum(_best(match.text, group) for group in spellings)
    if key and match.text.startswith(key):
        score += _BEGINS_NAME
    is_id = match.kind is Kind.ORGANIZATION and key == str(match.id)
    if is_id or f" {key} " in f" {match.text} ":
        score += _IS_COLUMN
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
