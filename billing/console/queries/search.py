"""Search over everything that callers name: organizations, people, keys, and Stripe."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from billing.models import Subscription
from orgs.queries.search_statements import (
    Kind,
    Match,
    Search,
    Source,
    Viewer,
    run_searches,
)
from orgs.queries.spelling import (
    MIN_CHARACTERS,
    Spelling,
    Spellings,
    find_similar,
    find_spellings,
    is_correctable_number,
    misspelled_number,
    split_parts,
)
from orgs.queries.text_search import (
    ENOUGH,
    MAX_LENGTH,
    MIN_LENGTH,
    SPELLED,
    escape_like,
    has_trigram,
    rank,
    search_key,
    spelled_searches,
    written_searches,
)

KINDS = (
    Kind.ORGANIZATION,
    Kind.INVOICE,
    Kind.CUSTOMER,
    Kind.SUBSCRIPTION,
    Kind.MEMBER,
    Kind.PROJECT,
    Kind.API_KEY,
)  # in the order in which they are shown
BILLED = frozenset({Kind.INVOICE, Kind.CUSTOMER, Kind.SUBSCRIPTION})
_SHOWN = {Kind.ORGANIZATION: 8}
_SHOWN_OTHERS = 5
_MAX_PARTS = 4  # of an invoice number that was typed with spaces
_STRIPE_ID = re.compile(r"(?P<prefix>cus|sub|in)_[A-Za-z0-9_]+")

_CUSTOMERS = Source(
    Kind.CUSTOMER,
    "billing_billingaccount",
    "t.organization_id, t.stripe_id, '', t.stripe_id, false",
)
_SUBSCRIPTIONS = Source(
    Kind.SUBSCRIPTION,
    "billing_subscription",
    f"""t.id, t.stripe_id, t.tier || ', ' || t.status, t.stripe_id,
        t.status = '{Subscription.Status.CANCELED}'""",
)
_INVOICES = Source(
    Kind.INVOICE,
    "billing_invoice",
    """t.id, coalesce(nullif(t.number, ''), t.stripe_id),
        t.status || ', issued on ' || to_char(t.issued_at, 'Mon FMDD, YYYY'),
        orgs_search_key(t.number), false""",
)
_BY_PREFIX = {"cus": _CUSTOMERS, "sub": _SUBSCRIPTIONS, "in": _INVOICES}


@dataclass(frozen=True, slots=True)
class Group:
    """The best matches of a kind; `has_more` says that there are others."""

    kind: Kind
    matches: Sequence[Match]
    has_more: bool = False


def search(viewer: Viewer, text: str, kinds: Collection[Kind]) -> list[Group]:
    """Return the best matches of each kind, without the kinds that have none.

    Two statements, and two more if few rows have the words as they were written: then
    misspelled words are corrected. If that finds nothing either, at most four more look
    for other numbers and for words that are less similar. What is read does not grow
    with the fleet.
    """
    text = " ".join(text.split())[:MAX_LENGTH]
    if len(text) < MIN_LENGTH:
        return []
    key = search_key(text)
    requested = [kind for kind in KINDS if kind in kinds]
    typed = [[Spelling((part,), 1.0)] for part in split_parts(key)]
    matches = _rank(run_searches(viewer, _searches(text, requested)), typed, key)
    rare = [
        kind for kind in SPELLED if kind in kinds and _count(matches, kind) < ENOUGH
    ]
    if rare and not _STRIPE_ID.fullmatch(text):
        matches = _add(matches, _corrected(viewer, rare, key, is_found=bool(matches)))
    return _groups(matches, requested)


def _searches(text: str, kinds: Sequence[Kind]) -> list[Search]:
    searches = written_searches(text, kinds)
    if (match := _STRIPE_ID.fullmatch(text)) is not None:
        source = _BY_PREFIX[match["prefix"]]
        pattern = {"stripe_id": f"{escape_like(text)}%"}
        if source.kind in kinds:
            searches.append(_of_stripe_id(source, pattern))
    elif Kind.INVOICE in kinds and any(character.isdigit() for character in text):
        searches.append(_of_number(text))
    return searches


def _of_stripe_id(source: Source, pattern: dict[str, str]) -> Search:
    condition = "t.stripe_id like %(stripe_id)s"
    return Search(source, condition, pattern, sampled=0)


def _of_number(text: str) -> Search:
    """Return the search for parts of an invoice's number, in any case."""
    parts = text.split()[:_MAX_PARTS]
    keys = {f"part{i}": part for i, part in enumerate(parts)}
    patterns = {f"like{i}": f"%{escape_like(part)}%" for i, part in enumerate(parts)}
    return Search(
        _INVOICES,
        " and ".join(
            f"orgs_search_key(t.number) like orgs_search_pattern(%({name})s)"
            for name in keys
        ),
        {**keys, **patterns},
        by_index=has_trigram(text),
        sample_condition=" and ".join(
            f"t.number ilike %({name})s" for name in patterns
        ),
    )


def _corrected(
    viewer: Viewer, kinds: Sequence[Kind], key: str, *, is_found: bool
) -> list[Match]:
    """Return the matches of corrected words, by rank.

    Words that are known were probably meant. Only if nothing has them either
    (`is_found` says that something does), a number is corrected, then words are
    replaced by less similar ones, and at last numbers are left out.
    """
    parts = split_parts(key)
    if not any(len(part) >= MIN_CHARACTERS for part in parts if not part.isdigit()):
        return []
    attempts = _attempts(find_spellings(parts), only_likely=is_found)
    for spellings in attempts:
        matches = run_searches(viewer, spelled_searches(spellings, kinds))
        if matches:
            return _rank(matches, spellings, key)
    return []


Spelled = Sequence[Sequence[Spelling]]


def _attempts(known: Sequence[Spellings], *, only_likely: bool) -> Iterator[Spelled]:
    """Yield what is searched for, one after the other, until something is found."""
    likely = [row.likely for row in known]
    if not all(row.is_known for row in known):
        yield likely
    if only_likely:
        return
    numbers = [row.part for row in known if is_correctable_number(row.part)]
    for number in numbers:
        yield [
            (misspelled_number(number),) if row.part == number else row.likely
            for row in known
        ]
    similar = find_similar(known)
    yield similar
    words = [
        group
        for row, group in zip(known, similar, strict=True)
        if not row.part.isdigit()
    ]
    is_long = any(len(group[0].parts[0]) > MIN_CHARACTERS for group in words)
    if is_long and len(words) < len(similar):
        yield words


def _rank(
    matches: Sequence[Match], spellings: Sequence[Sequence[Spelling]], key: str
) -> list[Match]:
    ranked = [replace(match, rank=rank(match, spellings, key)) for match in matches]
    return sorted(
        ranked, key=lambda match: (-match.rank, len(match.label), match.label, match.id)
    )


def _add(matches: list[Match], corrected: Sequence[Match]) -> list[Match]:
    """Return the matches and, after them, the corrected ones without repetition."""
    return list(dict.fromkeys([*matches, *corrected]))


def _count(matches: Sequence[Match], kind: Kind) -> int:
    return sum(match.kind is kind for match in matches)


def _groups(matches: Sequence[Match], kinds: Sequence[Kind]) -> list[Group]:
    groups = []
    for kind in kinds:
        own, shown = [m for m in matches if m.kind is kind], _SHOWN.get(kind)
        shown = shown or _SHOWN_OTHERS
        if own:
            groups.append(Group(kind, own[:shown], has_more=len(own) > shown))
    return groups
