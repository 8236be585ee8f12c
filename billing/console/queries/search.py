"""Search over everything that callers name: organizations, people, keys, and Stripe."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from billing.models import Subscription
from orgs.queries.spelling import Spelling, split_parts
from orgs.queries.text_search import (
    ENOUGH,
    MAX_LENGTH,
    MIN_LENGTH,
    SPELLED,
    Condition,
    Kind,
    Match,
    Search,
    Source,
    Viewer,
    correct,
    escape_like,
    rank,
    run_searches,
    search_key,
    spelled_searches,
    without_numbers,
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
    "stripe_id",
    """select organization_id, organization_id, stripe_id, '', stripe_id, false
    from billing_billingaccount where {condition} {scope}""",
)
_SUBSCRIPTIONS = Source(
    Kind.SUBSCRIPTION,
    "stripe_id",
    f"""select id, organization_id, stripe_id, tier || ', ' || status, stripe_id,
        status = '{Subscription.Status.CANCELED}'
    from billing_subscription where {{condition}} {{scope}}""",  # noqa: S608  ours
)
_INVOICES = Source(
    Kind.INVOICE,
    "stripe_id",
    """select id, organization_id, coalesce(nullif(number, ''), stripe_id),
        status || ', issued on ' || to_char(issued_at, 'Mon FMDD, YYYY'),
        orgs_search_key(number), false
    from billing_invoice where {condition} {scope}""",
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

    Three statements, and three more if few rows have the words as they were written:
    then misspelled words are corrected. What is read does not grow with the fleet.
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
        matches = _add(matches, _corrected(viewer, rare, key))
    return _groups(matches, requested)


def _searches(text: str, kinds: Sequence[Kind]) -> list[Search]:
    searches = written_searches(text, kinds)
    if (match := _STRIPE_ID.fullmatch(text)) is not None:
        source = _BY_PREFIX[match["prefix"]]
        pattern = f"{escape_like(text)}%"
        condition: Condition = ("stripe_id like %(stripe_id)s", {"stripe_id": pattern})
        return [*searches, (source, condition)] if source.kind in kinds else searches
    if Kind.INVOICE in kinds and any(character.isdigit() for character in text):
        searches.append((_INVOICES, _number_condition(text)))
    return searches


def _number_condition(text: str) -> Condition:
    """Return the condition for parts of an invoice's number, in any case."""
    names = {f"part{i}": part for i, part in enumerate(text.split()[:_MAX_PARTS])}
    condition = " and ".join(
        f"orgs_search_key(number) like orgs_search_pattern(%({name})s)"
        for name in names
    )
    return condition, names


def _corrected(viewer: Viewer, kinds: Sequence[Kind], key: str) -> list[Match]:
    """Return the matches of the corrected words, by rank.

    If nothing has them and the numbers beside them, a number may be wrong.
    """
    spellings = correct(key)
    if not spellings:
        return []
    matches = run_searches(viewer, spelled_searches(spellings, kinds))
    words = without_numbers(spellings)
    if not matches and words and len(words) < len(spellings):
        matches = run_searches(viewer, spelled_searches(words, kinds))
    return _rank(matches, spellings, key)


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
