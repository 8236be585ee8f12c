"""A price book that begins with public list prices."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from metrics.models import Rate
from metrics.queries.public_prices import public_products
from orgs.models import User, WhiteLabel
from tests.factories import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
ALL = {"products": list(public_products()), "markup": "20", "step": "preview"}


@pytest.fixture(autouse=True)
def people(acme: WhiteLabel) -> None:
    make_user("fin", "finance", white_label=acme)
    make_user("sue", "support", white_label=acme)
    make_user("stranger", "finance", white_label=WhiteLabel.objects.get(slug="decoy"))


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def url(name: str = "public_prices") -> str:
    return f"{reverse(f'metrics:{name}')}?white_label=acme"


def test_every_price_has_a_source_and_a_day() -> None:
    prices = [price for one in public_products().values() for price in one.prices]
    assert len(prices) > 50
    assert all(price.source.startswith("https://") for price in prices)
    assert len({price.as_of for price in prices}) == 1


def test_all_are_previewed_and_saved_with_markup_and_rate(acme: WhiteLabel) -> None:
    acme.currency = "eur"
    WhiteLabel.objects.filter(pk=acme.pk).update(currency="eur")
    client = of("fin")
    form = ALL | {"exchange_rate": "0.9", "is_benchmark": "on"}
    preview = client.post(url(), form)
    assert preview.status_code == 200
    assert not Rate.objects.exists()

    page = preview.content.decode()
    [before] = re.findall(r'name="before" value="([^"]+)"', page)
    text = preview.context["text"]
    data = {"lines": text, "before": before, "reason": "Start", "step": "save"}
    assert client.post(url("import_prices"), data).status_code == 302
    assert Rate.objects.count() == sum(
        len(product.prices) for product in public_products().values()
    )
    rate = Rate.objects.get(product="gpt-4o", meter="prompt_tokens")
    assert (rate.unit_price, rate.unit) == (Decimal("2.7"), "1M tokens")
    assert rate.benchmark_unit_price == Decimal("2.25")


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("products", {"products": []}),
        ("products", {"products": ["gpt-0"]}),
        ("markup", {"markup": ""}),
        ("markup", {"markup": "-101"}),
        ("markup", {"markup": "1,000"}),
        ("markup", {"markup": "NaN"}),
    ],
)
def test_a_bad_choice_is_refused_and_the_form_filled_again(
    field: str, change: dict[str, Any]
) -> None:
    answer = of("fin").post(url(), ALL | change)
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    if field != "products":
        assert 'value="gpt-4o" checked' in answer.content.decode()


def test_a_rate_is_needed_for_another_currency(acme: WhiteLabel) -> None:
    WhiteLabel.objects.filter(pk=acme.pk).update(currency="eur")
    for rate in ("", "0", "x"):
        answer = of("fin").post(url(), ALL | {"exchange_rate": rate})
        assert (answer.status_code, list(answer.context["form"].errors)) == (
            422,
            ["exchange_rate"],
        )


def test_a_bad_start_is_an_error_of_each_line() -> None:
    answer = of("fin").post(url(), ALL | {"effective_from": "tomorrow"})
    assert answer.status_code == 422
    assert answer.context["invalid"] > 50


def test_others_choose_nothing() -> None:
    assert of("sue").get(url()).status_code == 403
    assert of("stranger").get(url()).status_code == 404
    assert of("stranger").post(url(), ALL).status_code == 404
