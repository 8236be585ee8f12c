"""One number for one word: equal definitions have equal values on all pages."""

import re
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from django.test import Client

from billing.console.queries.badges import badges
from billing.models import BillingAccount
from metrics.queries.periods import PeriodCost
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_organization, make_user
from tests.support.console import fill_console, fleet_urls, organization_urls
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
_AMOUNT = re.compile(r"[$€£¥]\d")
# Sentences and axes repeat amounts; their figures have a definition beside them.
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
        self._open: list[str] = []
        self._charts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        given = dict(attrs)
        self._open.append(tag)
        if tag == "data" and "data-number" in given:
            key = (given["data-number"], given["data-of"], given["data-unit"])
            self.numbers.append((tuple(map(str, key)), str(given["data-value"])))  # type: ignore[arg-type]
        elif tag == "data" and re.match(_AMOUNT, given.get("title") or ""):
            self.undefined.append(given["title"] or "")

    def handle_endtag(self, tag: str) -> None:
        while tag in self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not _AMOUNT.search(data) or "figure" in self._open:
            return
        if "data" not in self._open and not _PROSE & set(self._open):
            self.undefined.append(data.strip())


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
    return Organization.objects.select_related("white_label").get(pk=org.pk)


@pytest.fixture
def in_trial(filled: Organization) -> Organization:
    """Make the subscription a trial, in which the free balance pays."""
    filled.subscriptions.update(
        status="trialing", trial_ends_at=NOW + timedelta(days=2, hours=20)
    )
    BillingAccount.objects.filter(organization=filled).update(free_balance=900)
    return filled


def check_numbers(
    client: Client, urls: list[str], organization: Organization
) -> dict[str, set[str]]:
    """Fail if a definition has two values; return the values by definition."""
    values: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    names: dict[str, set[str]] = defaultdict(set)
    for url in urls:
        page = read(client, url)
        for key, value in page.numbers:
            if key[1] == str(organization.pk):
                names[key[0]].add(value)
            if _is_unique(key):
                values[key].setdefault(str(Decimal(value).normalize()), url)
    assert {key: pages for key, pages in values.items() if len(pages) > 1} == {}
    return names


def _is_unique(key: tuple[str, str, str]) -> bool:
    """Return whether the definition names one number: not a part of a list."""
    return key[1] != "" and not key[0].startswith(
        ("product.", "reconciliation.", "estimate.line")
    )


@pytest.mark.parametrize("state", ["filled", "in_trial"])
def test_one_definition_has_one_value_on_all_pages(
    state: str, request: pytest.FixtureRequest
) -> None:
    organization: Organization = request.getfixturevalue(state)
    user = make_user("owner", "operator", white_label=organization.white_label)
    client = Client()
    client.force_login(user)

    urls = [*organization_urls(organization), *fleet_urls(organization)]
    names = check_numbers(client, urls, organization)

    assert len(names["organization.cost_this_period"]) == 1
    assert len(names["organization.free_balance_left"]) == 1
    assert len(names["organization.cost_30_days"]) == 1
    assert len(names["estimate.total"]) <= 2


@pytest.mark.parametrize("state", ["filled", "in_trial"])
def test_every_amount_of_a_table_or_tile_has_a_definition(
    state: str, request: pytest.FixtureRequest
) -> None:
    organization: Organization = request.getfixturevalue(state)
    user = make_user("owner", "operator", white_label=organization.white_label)
    client = Client()
    client.force_login(user)

    undefined = {
        url: page.undefined
        for url in [*organization_urls(organization), *fleet_urls(organization)]
        if (page := read(client, url)).undefined
    }

    assert not undefined, str(undefined)[:2_000]


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

    [badge] = badges(organization, PeriodCost())
    fleet = client.get("/").content.decode()

    assert badge.label == f"Trial ends {when}"
    assert f"{when}, Nov 2" in fleet
