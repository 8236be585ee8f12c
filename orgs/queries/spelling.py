"""Corrections of misspelled words: the known words that are spelled almost alike.

One wrong, missing, additional, or swapped character is corrected exactly: all spellings
that are one such error away are looked up in the index of words. Trigrams find what is
further away but still similar.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from string import ascii_lowercase
from typing import Any

from orgs.queries.prepared import fetch_together

MIN_CHARACTERS = 3  # a shorter word has too many neighbors to be corrected
_MAX_WORDS = 5  # of a search; further words are ignored
_MAX_CHARACTERS = 24  # a longer word is looked up as it is
_MAX_DIGITS = 12  # a longer number is looked up as it is
_MAX_SPELLINGS = 16  # for each word, the most similar first
_ONE_ERROR, _BEGINNING, _TWO_WORDS, _SIMILAR = 0.9, 0.8, 0.85, 0.7  # weights
_CYRILLIC = "".join(map(chr, range(0x430, 0x460)))
_GREEK = "".join(map(chr, range(0x3B1, 0x3CA)))
_PARTS = re.compile(r"[^\W\d_]+|\d+")


@dataclass(frozen=True, slots=True)
class Spelling:
    """A possible spelling of a typed word; `weight` is 1 for the word itself.

    A word that was typed for two, as by a missing space, has two parts.
    """

    parts: tuple[str, ...]
    weight: float

    @property
    def pattern(self) -> str:
        """The regular expression that finds the spelling in a search key.

        Words and numbers have no special characters.
        """
        return ".*".join(self.parts)


@dataclass(frozen=True, slots=True)
class Spellings:
    """The possible spellings of a part: itself first, then the likeliest.

    A word that `is_known` is probably right. Numbers are taken for right.
    """

    part: str
    is_known: bool
    near: tuple[Spelling, ...]

    @property
    def likely(self) -> tuple[Spelling, ...]:
        """The spellings to look for first: of a known word only itself."""
        return self.near[:1] if self.is_known else self.near


def split_parts(key: str) -> list[str]:
    """Return the words and numbers of a search key, in order and without repetition."""
    parts = dict.fromkeys(_PARTS.findall(key))
    return [part for part in parts if part.isdigit() or len(part) >= MIN_CHARACTERS][
        :_MAX_WORDS
    ]


def find_spellings(parts: Sequence[str]) -> list[Spellings]:
    """Return the spellings of each part that are one error away; one round trip."""
    words = [part for part in parts if not part.isdigit()]
    last = parts[-1] if parts and not parts[-1].isdigit() else ""
    known, beginnings = fetch_together(
        [
            (_KNOWN, {"words": _candidates(words)}),
            (_BEGINNINGS, {"words": _beginnings(last)}),
        ]
    )
    known_words = {word for (word,) in known}
    begun = [word for (word,) in beginnings]
    return [
        Spellings(
            part,
            part.isdigit() or part in known_words,
            tuple(_near(part, known_words, begun if part == last else ())),
        )
        for part in parts
    ]


def find_similar(spellings: Sequence[Spellings]) -> list[list[Spelling]]:
    """Return all spellings of each part, also those that are further away.

    One round trip. Reads the index of all words, so it is the last resort.
    """
    words = [row.part for row in spellings if not row.part.isdigit()]
    similar = fetch_together([(_SIMILAR_WORDS, {"word": word}) for word in words])
    by_word = dict(zip(words, similar, strict=True))
    return [_with_similar(row, by_word.get(row.part, ())) for row in spellings]


def _with_similar(row: Spellings, similar: Sequence[Sequence[Any]]) -> list[Spelling]:
    weights = {spelling.parts: spelling.weight for spelling in row.near}
    for word, similarity in similar:
        weights.setdefault((word,), _SIMILAR * similarity)
    return _heaviest(weights)


def misspelled_number(number: str) -> Spelling:
    """Return the numbers with one wrong, missing, additional or swapped digit."""
    return Spelling((rf"\m({'|'.join(_number_patterns(number))})\M",), _ONE_ERROR)


def _number_patterns(number: str) -> Iterator[str]:
    for at in range(len(number) + 1):
        before, after = number[:at], number[at:]
        yield f"{before}[0-9]{after}"
        if after:
            yield f"{before}[0-9]{after[1:]}"
            yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]


def is_correctable_number(part: str) -> bool:
    """Return whether a part is a number whose neighbors can be looked for."""
    return part.isdigit() and MIN_CHARACTERS < len(part) <= _MAX_DIGITS


def _candidates(words: Sequence[str]) -> list[str]:
    """Return every text of which it has to be known whether it is a word."""
    texts: set[str] = set()
    for word in words:
        texts |= {word, *one_error_away(word), *chain.from_iterable(_pairs(word))}
    return sorted(texts)


def _beginnings(word: str) -> list[str]:
    """Return the spellings of a word that is still being typed."""
    is_long = MIN_CHARACTERS < len(word) <= _MAX_CHARACTERS
    return sorted({word, *one_error_away(word)}) if is_long else []


# The operators compare bytes, as the index does, in every locale.
_KNOWN = "select distinct word from orgs_searchword where word = any(%(words)s::text[])"
_BEGINNINGS = """
select distinct s.word from unnest(%(words)s::text[]) typed
cross join lateral (
    select word from orgs_searchword
    where word ~>=~ typed and word ~<~ (typed || U&'\\+10FFFF')
    order by word using ~<~ limit 3) s
order by 1 limit 40
"""
_SIMILAR_WORDS = """
select word, max(similarity(word, %(word)s)) from orgs_searchword
where word %% %(word)s group by 1 order by 2 desc, 1 limit 8
"""


def _near(part: str, known: set[str], begun: Sequence[str]) -> list[Spelling]:
    """Return the spellings of a part that are known words, the likeliest first."""
    weights: dict[tuple[str, ...], float] = {(part,): 1.0}
    for parts, weight in [
        *(((word,), _ONE_ERROR) for word in one_error_away(part) & known),
        *((pair, _TWO_WORDS) for pair in _pairs(part) if known.issuperset(pair)),
        *(((word,), _BEGINNING) for word in begun),
    ]:
        weights.setdefault(parts, weight)
    return _heaviest(weights)


def _heaviest(weights: Mapping[tuple[str, ...], float]) -> list[Spelling]:
    best = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return [Spelling(*item) for item in best[:_MAX_SPELLINGS]]


@lru_cache(maxsize=200)
def one_error_away(word: str) -> frozenset[str]:
    """Return the texts with one character left out, added, replaced, or two swapped."""
    if word.isdigit() or not MIN_CHARACTERS <= len(word) <= _MAX_CHARACTERS:
        return frozenset()
    edits = frozenset(_edits(word, _alphabet(word))) - {word}
    return frozenset(text for text in edits if len(text) >= MIN_CHARACTERS)


def _edits(word: str, alphabet: str) -> Iterator[str]:
    for i in range(len(word) + 1):
        before, after = word[:i], word[i:]
        yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for character in alphabet:
            yield before + character + after[1:]
            yield before + character + after


def _alphabet(word: str) -> str:
    """Return the characters that may stand in a word: those of its script."""
    if word.isascii():
        return ascii_lowercase
    own = "".join(sorted(set(word)))
    for script in (_CYRILLIC, _GREEK):
        if set(word) & set(script):
            return script
    return ascii_lowercase + own


def _pairs(word: str) -> Iterator[tuple[str, str]]:
    """Yield the word as two: without their space, or with a character in its place."""
    if word.isdigit() or len(word) > _MAX_CHARACTERS:
        return
    for i in range(MIN_CHARACTERS, len(word) - MIN_CHARACTERS + 1):
        yield word[:i], word[i:]
        if i + 1 + MIN_CHARACTERS <= len(word):
            yield word[:i], word[i + 1 :]
