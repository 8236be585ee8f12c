"""One number for one word: equal definitions have equal values on all pages.

Money, quantities, counts, days left, and days of limits alike: a `data` element has a
definition, whose it is, a unit, and the exact value.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from billing.access.queries.explanations import explain_access
from billing.alerts.emails.context import alert_context
from billing.console.queries.badges import list_badges
from billing.models import Alert, BillingAccount
from orgs.commands.editing import set_entitlements
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_organization, make_user
from tests.support.alerts import evaluate
from tests.support.console import fill_console, fleet_urls, organization_urls
from tests.support.snapshots import snapshot

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("frozen"),
]
_AMOUNT = re.compile(r"[$€£¥]\d[\d,]*(?:\.\d+)?")
# Sentences and axes repeat amounts that have a definition on this or another page.
_PROSE = {
    "svg",
    "script",
    "option",
    "summary",
    "small",
    "p",
    "dd",
    "title",
    "span",
    "li",
}
_VOID = {"input", "br", "hr", "meta", "link", "use", "img", "path", "col"}


class _Numbers(HTMLParser):
    """The defined numbers of a page, and its money without a definition."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[tuple[tuple[str, str, str], str]] = []
        self.undefined: list[str] = []
        self.shown: set[str] = set()
        self.repeated: list[tuple[str, str]] = []  # with their sentences
        self._is_past = False
        self._open: list[str] = []
        self._charts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        given = dict(attrs)
        self._is_past = self._is_past or "data-past" in given
        self._open.append(tag)
        if tag == "data" and "data-number" in given:
            key = (given["data-number"], given["data-of"], given["data-unit"])
            self.numbers.append((tuple(map(str, key)), str(given["data-value"])))  # type: ignore[arg-type]
        elif tag == "data":
            self.undefined.append(given.get("title") or str(given))

    def handle_endtag(self, tag: str) -> None:
        while tag in self._open and self._open.pop() != tag:
            pass
        self._is_past = self._is_past and tag != "li"

    def handle_data(self, data: str) -> None:
        if "figure" in self._open:
            return
        if not (amounts := _AMOUNT.findall(data)):
            return
        if "data" in self._open:
            self.shown.update(amounts)
        elif not _PROSE & set(self._open):
            self.undefined.append(data.strip())
        elif not self._is_past:
            self.repeated += [(amount, data.strip()) for amount in amounts]


def read(client: Client, url: str) -> _Numbers:
    answer = client.get(url)
    assert answer.status_code == 200, url
    numbers = _Numbers()
    numbers.feed(answer.content.decode())
    return numbers


@pytest.fixture
@snapshot
def filled(org: Organization) -> Organization:
    fill_console(org)
    limits = {"users": 2, "projects": 9, "compute_seconds_per_year": 36_000_000}
    set_entitlements(org, limits)
    return Organization.objects.select_related("white_label").get(pk=org.pk)


@pytest.fixture
def in_trial(filled: Organization) -> Organization:
    """Make the subscription a trial, in which the free balance pays.

    It ends in less than three times 24 hours, on the third day from today.
    """
    filled.subscriptions.update(
        status="trialing", trial_ends_at=NOW + timedelta(days=2, hours=20)
    )
    BillingAccount.objects.filter(organization=filled).update(free_balance=900)
    return filled


@dataclass
class _Crawl:
    """What all pages say: values and pages by definition, and what has none."""

    values: dict[tuple[str, str, str], dict[str, str]]
    names: dict[str, set[str]]  # values of one organization, by name
    pages: dict[str, set[str]]
    undefined: dict[str, list[str]]
    shown: set[str]  # amounts that have a definition, as they are written
    repeated: dict[str, list[tuple[str, str]]]  # amounts in sentences


def crawl(organization: Organization) -> _Crawl:
    """Read all pages once, as an operator of the white label."""
    client = Client()
    client.force_login(
        make_user("owner", "operator", white_label=organization.white_label)
    )
    seen = _Crawl(
        values=defaultdict(dict),
        names=defaultdict(set),
        pages=defaultdict(set),
        undefined=defaultdict(list),
        shown=set(),
        repeated=defaultdict(list),
    )
    urls = [*organization_urls(organization), *fleet_urls(organization)]
    for url in (*urls, reverse("billing:needs_action")):
        page = read(client, url)
        seen.undefined[url] += page.undefined
        seen.shown |= page.shown
        seen.repeated[url] += page.repeated
        for key, value in page.numbers:
            seen.pages[key[0]].add(url.partition("?")[0])
            if key[1] == str(organization.pk):
                seen.names[key[0]].add(value)
            if _is_unique(key):
                seen.values[key].setdefault(_normal(value), url)
    return seen


def _unknown(seen: _Crawl) -> list[tuple[str, str, str]]:
    """Return amounts of sentences that no defined number has: page, amount, sentence.

    What was reached in the past (`data-past`) has no number today.
    """
    return [
        (url, amount, sentence)
        for url, sentences in seen.repeated.items()
        for amount, sentence in sentences
        if amount not in seen.shown
    ]


def _normal(value: str) -> str:
    """Return equal numbers as equal texts; days are texts already."""
    try:
        return str(Decimal(value).normalize())
    except InvalidOperation:
        return value


def _is_unique(key: tuple[str, str, str]) -> bool:
    """Return whether the definition names one number: not a part of a list."""
    return key[1] != "" and not key[0].startswith(
        ("product.", "reconciliation.", "estimate.line")
    )


# Definitions that several pages show, so that comparing them proves something.
_SHARED = {
    "day.cpu_seconds",
    "entitlement.compute_seconds.used",
    "entitlement.projects.used",
    "entitlement.users.used",
    "organization.cost_this_period",
    "stripe.open_discrepancies",
    "unpriced.organizations",
    "unpriced.requests",
}
_DAYS_LEFT = "organization.trial_days_left"
# In a trial the free balance pays, and no limit is near.
_OF_STATE = {"filled": {"limit.soft.day"}, "in_trial": {_DAYS_LEFT}}


@pytest.mark.parametrize("state", ["filled", "in_trial"])
def test_one_definition_has_one_value_on_all_pages(
    state: str, request: pytest.FixtureRequest
) -> None:
    """Amounts of tables and tiles, and all numbers that are marked, have one."""
    seen = crawl(request.getfixturevalue(state))

    undefined = {url: texts for url, texts in seen.undefined.items() if texts}
    assert not undefined, str(undefined)[:2_000]
    assert _unknown(seen) == []
    assert {key: urls for key, urls in seen.values.items() if len(urls) > 1} == {}
    assert len(seen.names["organization.cost_30_days"]) == 1
    assert len(seen.names["organization.free_balance_left"]) == 1
    assert len(seen.names["estimate.total"]) <= 2
    for name in _SHARED | _OF_STATE[state]:
        assert len(seen.pages[name]) > 1, f"{name} of {sorted(seen.pages.items())}"
    if state == "in_trial":
        assert seen.names[_DAYS_LEFT] == {"3"}


@pytest.mark.parametrize(
    ("zone", "when"), [("UTC", "in 3 days"), ("Pacific/Kiritimati", "in 2 days")]
)
def test_days_left_of_a_trial_are_calendar_days_of_the_zone(
    zone: str, when: str, acme: WhiteLabel
) -> None:
    WhiteLabel.objects.filter(pk=acme.pk).update(time_zone=zone)
    organization = make_organization(WhiteLabel.objects.get(pk=acme.pk), "trial")
    organization.subscriptions.create(
        stripe_id="sub_t",
        status="trialing",
        tier="scale",
        stripe_price_id="price_1",
        trial_ends_at=NOW + timedelta(days=2, hours=13),
    )
    client = Client()
    client.force_login(make_user("owner", "operator", white_label=acme))

    [badge] = list_badges(organization, now=NOW)
    fleet = client.get("/").content.decode()

    assert badge.label == f"Trial ends {when}"
    assert f">{when}</data>, Nov 2" in fleet
    [warning] = explain_access(organization, now=NOW).warnings
    assert f"ends {when}, on" in warning.message
    evaluate(organization)
    email = alert_context(Alert.objects.get(kind="trial_7"))
    assert email["trial_when"] == when
