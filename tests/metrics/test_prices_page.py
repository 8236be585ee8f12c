"""The price book on its page: one price, many as CSV, and what they would change."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from metrics.models import Rate
from orgs.models import Organization, User, WhiteLabel
from tests.factories import make_rate, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
PRICE = {
    "product": "gpt-4o",
    "meter": "prompt_tokens",
    "unit_price": "2.50",
    "unit": "1M tokens",
}
CSV = """product;meter;unit_price;unit;effective_from;organization
gpt-4o;prompt_tokens;2.5;1M tokens;;
gpt-4o;completion_tokens;10;1M tokens;2026-12-01;
a100;gpu_seconds;0;GPU-hour;;org-7
"""


@pytest.fixture(autouse=True)
def people(acme: WhiteLabel) -> None:
    make_user("fin", "finance", white_label=acme)
    make_user("vic", "viewer", white_label=acme)
    make_user("strange", "operator", white_label=WhiteLabel.objects.get(slug="decoy"))


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def results(answer: Any) -> list[str]:
    return re.findall(r'data-result="(\w+)"', answer.content.decode())


def current(acme: WhiteLabel) -> list[tuple[str, str, Decimal, str]]:
    rows = Rate.objects.current().filter(white_label=acme).order_by("id")
    return list(rows.values_list("product", "meter", "unit_price", "unit"))


def test_a_price_is_previewed_and_added_in_natural_units(acme: WhiteLabel) -> None:
    client, url = of("fin"), reverse("metrics:new_price")
    assert results(client.post(url, {**PRICE, "step": "preview"})) == ["added"]
    assert current(acme) == []
    assert client.post(url, PRICE).status_code == 422  # without a reason

    assert client.post(url, {**PRICE, "reason": "List price"}).status_code == 302
    assert current(acme) == [("gpt-4o", "prompt_tokens", Decimal("2.5"), "1M tokens")]
    replaced = {**PRICE, "unit_price": "3", "step": "preview"}
    assert results(client.post(url, replaced)) == ["replaced"]
    listed = client.get(reverse("metrics:prices"), {"product": "GPT"}).content.decode()
    assert "2.5" in listed
    assert "1M tokens" in listed
    history = client.get(reverse("orgs:fleet_history")).content.decode()
    assert "List price" in history


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"product": "a\x00"}, "product"),
        ({"product": "$"}, "product"),
        ({"meter": "tokens"}, "meter"),
        ({"unit_price": "1,5"}, "unit_price"),
        ({"unit_price": "-1"}, "unit_price"),
        ({"unit_price": "NaN"}, "unit_price"),
        ({"unit_price": "1e30"}, "unit_price"),
        ({"unit": "GPU-hour"}, "unit"),
        ({"benchmark_unit_price": "x"}, "benchmark_unit_price"),
        ({"effective_from": "01.12.2026"}, "effective_from"),
        ({"effective_from": "9999-01-01"}, "effective_from"),
        ({"organization": "org-404"}, "organization"),
    ],
)
def test_bad_prices_are_refused_at_their_field(
    acme: WhiteLabel, values: dict[str, str], field: str
) -> None:
    data = {**PRICE, "reason": "x", **values}
    answer = of("fin").post(reverse("metrics:new_price"), data)

    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {field}
    assert current(acme) == []


def test_a_csv_shows_its_difference_before_it_is_loaded(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.0000025", product="gpt-4o", meter="prompt_tokens")
    load = {"lines": CSV.partition("gpt-4o;completion")[0], "reason": "In 1M tokens"}
    of("fin").post(reverse("metrics:import_prices"), load)
    client, url = of("fin"), reverse("metrics:import_prices")
    answer = client.post(url, {"lines": CSV, "step": "preview"})
    assert results(answer) == ["unchanged", "added", "added"]
    assert len(current(acme)) == 1

    wrong = f"{CSV}gpt-4o;tokens;1;;;\nx;requests;one;;;\n"
    answer = client.post(url, {"lines": wrong, "reason": "x"})
    assert answer.status_code == 422
    assert results(answer)[3:] == ["error", "error"]
    assert len(current(acme)) == 1

    assert client.post(url, {"lines": CSV, "reason": "December"}).status_code == 302
    assert len(current(acme)) == 3
    downloaded = client.get(reverse("metrics:prices_csv")).content.decode()
    answer = client.post(url, {"lines": downloaded, "step": "preview"})
    assert results(answer) == ["unchanged"] * 3


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "gpt-4o,prompt_tokens,1\n",
        "product,meter,unit_price,color\na,requests,1,red\n",
        "product,meter,unit_price\n" + "a,requests,1\n" * 2_001,
        "x" * 600_000,
    ],
)
def test_a_csv_that_is_wrong_as_a_whole_has_one_error(
    acme: WhiteLabel, lines: str
) -> None:
    data = {"lines": lines, "reason": "x"}
    answer = of("fin").post(reverse("metrics:import_prices"), data)

    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"lines"}
    assert current(acme) == []


@pytest.mark.parametrize(("person", "status"), [("vic", 403), ("strange", 404)])
def test_others_change_no_price(acme: WhiteLabel, person: str, status: int) -> None:
    client = of(person)
    for name, data in (
        ("new_price", {**PRICE, "reason": "x"}),
        ("import_prices", {"lines": CSV, "reason": "x"}),
    ):
        url = f"{reverse(f'metrics:{name}')}?white_label=acme"
        assert client.post(url, data).status_code == status
    assert current(acme) == []
    make_rate(acme, "1", product="secret-product")
    page = client.get(reverse("metrics:prices")).content.decode()
    assert ("secret-product" in page) is (person == "vic")
    answer = client.get(f"{reverse('metrics:prices_csv')}?white_label=acme")
    assert answer.status_code == (200 if person == "vic" else 404)
