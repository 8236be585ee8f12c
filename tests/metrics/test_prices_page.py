"""The price book on its page: one price, many as CSV, and what they would change."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from metrics.models import Rate
from orgs.models import Organization, User, WhiteLabel
from tests.factories import (
    event,
    make_organization,
    make_rate,
    make_user,
    record,
    usage_of,
)
from tests.support.corrections import APPLY, DAYS

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


def preview(client: Client, url: str, data: dict[str, str]) -> Any:
    return client.post(url, {**data, "step": "preview"})


def proof(answer: Any) -> str:
    return str(answer.context["form"].data["before"])


def save(client: Client, url: str, data: dict[str, str]) -> Any:
    """Preview a change, then save it with the proof of the preview."""
    return client.post(url, {**data, "before": proof(preview(client, url, data))})


def current(acme: WhiteLabel) -> list[tuple[str, str, Decimal | None, str]]:
    rows = Rate.objects.current().filter(white_label=acme).order_by("id")
    return list(rows.values_list("product", "meter", "unit_price", "unit"))


def test_a_price_is_previewed_and_added_in_natural_units(acme: WhiteLabel) -> None:
    client, url = of("fin"), reverse("metrics:new_price")
    assert results(preview(client, url, PRICE)) == ["added"]
    assert current(acme) == []
    assert save(client, url, PRICE).status_code == 422  # without a reason
    unseen = client.post(url, {**PRICE, "reason": "x"})  # without a preview
    assert (unseen.status_code, results(unseen)) == (422, ["added"])
    other = {**PRICE, "unit_price": "3", "reason": "x", "before": proof(unseen)}
    assert client.post(url, other).status_code == 422  # another price
    assert current(acme) == []

    assert save(client, url, {**PRICE, "reason": "List price"}).status_code == 302
    assert current(acme) == [("gpt-4o", "prompt_tokens", Decimal("2.5"), "1M tokens")]
    sent = {**PRICE, "reason": "x", "before": proof(preview(client, url, PRICE))}
    assert client.post(url, sent).status_code == 302  # the same again
    assert Rate.objects.filter(white_label=acme).count() == 1
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
        ({"unit_price": "none"}, "unit_price"),
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
    save(of("fin"), reverse("metrics:import_prices"), load)
    client, url = of("fin"), reverse("metrics:import_prices")
    answer = client.post(url, {"lines": CSV, "step": "preview"})
    assert results(answer) == ["unchanged", "added", "added"]
    assert len(current(acme)) == 1

    wrong = f"{CSV}gpt-4o;tokens;1;;;\nx;requests;one;;;\n"
    answer = client.post(url, {"lines": wrong, "reason": "x"})
    assert answer.status_code == 422
    assert results(answer)[3:] == ["error", "error"]
    assert len(current(acme)) == 1

    assert save(client, url, {"lines": CSV, "reason": "December"}).status_code == 302
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
        ("end_price", {**PRICE, "effective_from": "2026-12-01", "reason": "x"}),
        ("undo_price", {}),
    ):
        url = f"{reverse(f'metrics:{name}')}?white_label=acme"
        assert client.post(url, data).status_code == status
    assert current(acme) == []
    make_rate(acme, "1", product="secret-product")
    page = client.get(reverse("metrics:prices")).content.decode()
    assert ("secret-product" in page) is (person == "vic")
    answer = client.get(f"{reverse('metrics:prices_csv')}?white_label=acme")
    assert answer.status_code == (200 if person == "vic" else 404)


def test_a_price_of_another_editor_is_not_overtaken(acme: WhiteLabel) -> None:
    """Two tabs preview; the second to save sees what the first one changed."""
    url, bulk = reverse("metrics:new_price"), reverse("metrics:import_prices")
    make_user("ann", "operator", white_label=acme)
    first, second = {**PRICE, "reason": "A"}, {**PRICE, "unit_price": "3"}
    lines = {"lines": CSV, "reason": "C"}
    seen, listed = preview(of("fin"), url, second), preview(of("fin"), bulk, lines)
    make_rate(acme, "9", product="unrelated")  # no reason to refuse
    assert save(of("ann"), url, first).status_code == 302

    later_tab = {**second, "reason": "B", "before": proof(seen)}
    refused = of("fin").post(url, later_tab)
    text = refused.content.decode()
    assert refused.status_code == 409
    assert re.search(r"set to .{,80}2\.5.{,80} by ann", text, re.S)
    assert 'value="3"' in text
    answer = of("fin").post(bulk, {**lines, "before": proof(listed)})
    assert answer.status_code == 409
    assert "completion_tokens" in answer.content.decode()
    assert [price for *_, price, _ in current(acme)] == [Decimal(9), Decimal("2.5")]

    assert (
        of("fin").post(url, {**later_tab, "before": proof(refused)}).status_code == 302
    )
    assert [price for *_, price, _ in current(acme)] == [Decimal(9), Decimal(3)]


def test_a_price_ends_and_the_end_is_undone(
    acme: WhiteLabel, org: Organization
) -> None:
    """Usage of 5 requests before the end has a price; 7 after it have none."""
    other = make_organization(acme, "org-8")
    make_rate(acme, "2")
    make_rate(acme, "3", organization=other)
    events = [event("e-0", quantities={"requests": 4}), event("e-1")]
    events[1] |= {"timestamp": "2026-11-18T10:00:00Z", "quantities": {"requests": 5}}
    events.append({**events[1], "id": "e-8", "organization": "org-8"})
    record(acme, events)
    client, url = of("fin"), reverse("metrics:end_price")
    end = {"product": "gpt", "meter": "requests", "effective_from": "2026-11-20"}
    end["reason"] = "Out of sale"

    shown = preview(client, url, {**end, "reason": ""})
    use = shown.context["use"]
    assert [(r.name, r.quantity, r.later_quantity) for r in use.rows] == [
        (org.name, 9, 4)
    ]
    assert (use.organizations, use.cost, use.later_cost) == (1, 18, 8)
    for field, bad in (
        ("effective_from", ""),
        ("effective_from", "20.11."),
        ("product", "nothing"),
        ("organization", "org-404"),
        ("meter", "tokens"),
    ):
        answer = client.post(url, {**end, field: bad})
        assert answer.status_code == 422
        assert answer.context["form"].errors
    assert save(client, url, end).status_code == 302
    late = {"id": "e-2", "timestamp": "2026-11-20T09:00:00Z"}
    early = {"id": "e-3", "timestamp": "2026-11-19T09:00:00Z"}
    record(acme, [{**events[0], **late}, {**events[0], **early}])
    unpriced = usage_of(org, "day", "quantity", "cost", "unpriced_quantity")
    assert (date(2026, 11, 19), 4, 8, 0) in unpriced
    assert (date(2026, 11, 20), 4, 0, 4) in unpriced
    assert (date(2026, 11, 21), 4, 8, 0) in unpriced  # recorded before
    call_command("rerate", "--white-label=acme", "--period=open", *APPLY)
    assert (date(2026, 11, 21), 4, 0, 4) in usage_of(
        org, "day", "quantity", "cost", "unpriced_quantity"
    )
    call_command("rebuild_days", "--white-label=acme", *DAYS)

    assert preview(client, url, end).status_code == 422  # it has ended
    downloaded = client.get(reverse("metrics:prices_csv")).content.decode()
    assert "gpt,requests,none," in downloaded
    answer = preview(client, reverse("metrics:import_prices"), {"lines": downloaded})
    assert set(results(answer)) == {"unchanged"}
    listing = client.get(reverse("metrics:prices")).content.decode()
    assert "data-undo" in listing
    assert "ended from Nov 20" in client.get(
        reverse("orgs:fleet_history")
    ).content.decode().replace("\xa0", " ")
    undo = reverse("metrics:undo_price")
    assert client.post(undo).status_code == 302
    assert [price for *_, price, _ in current(acme)] == [Decimal(2), Decimal(3)]
    client.post(undo)  # twice is once
    assert len(current(acme)) == 2
