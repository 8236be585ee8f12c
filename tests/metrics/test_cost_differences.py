"""The terms of a difference in cost: their formulas, and that they add up exactly."""

from decimal import Decimal

from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from metrics.queries.cost_differences import (
    CostPart,
    PartKey,
    Parts,
    Terms,
    explain_difference,
    group_differences,
)
from orgs.decimals import keep_all_digits

keep_all_digits()
PROMPT, COMPLETION = "prompt_tokens", "completion_tokens"


def parts(*rows: tuple[str, str, int, int, str]) -> dict[PartKey, CostPart]:
    """Return parts of rows of (product, meter, project, quantity, cost)."""
    return {
        PartKey(product, meter, project): CostPart(quantity, Decimal(cost))
        for product, meter, project, quantity, cost in rows
    }


def terms(now: Parts, before: Parts) -> Terms:
    return sum((row.terms for row in explain_difference(now, before)), Terms())


def test_more_at_the_same_price_is_volume() -> None:
    before = parts(("gpt", PROMPT, 0, 100, "7"))
    now = parts(("gpt", PROMPT, 0, 300, "21"))
    assert terms(now, before) == Terms(volume=Decimal(14))


def test_a_price_without_finite_digits_leaves_no_price_term() -> None:
    before = parts(("gpt", PROMPT, 0, 3, "0.000000000003"), ("a", PROMPT, 0, 7, "1"))
    now = parts(("gpt", PROMPT, 0, 10, "0.00000000001"), ("a", PROMPT, 0, 14, "2"))
    assert terms(now, before).price == 0
    assert terms(now, before).volume == Decimal("1.000000000007")


def test_the_same_at_another_price_is_price() -> None:
    before = parts(("gpt", PROMPT, 0, 100, "7"))
    now = parts(("gpt", PROMPT, 0, 100, "9.5"))
    assert terms(now, before) == Terms(price=Decimal("2.5"))


def test_price_is_the_change_at_the_new_quantity() -> None:
    before = parts(("gpt", PROMPT, 0, 100, "100"))
    now = parts(("gpt", PROMPT, 0, 150, "300"))
    assert terms(now, before) == Terms(volume=Decimal(50), price=Decimal(150))


def test_other_shares_at_the_same_total_are_mix() -> None:
    before = parts(("gpt", PROMPT, 0, 100, "100"), ("gpt", COMPLETION, 0, 100, "300"))
    now = parts(("gpt", PROMPT, 0, 50, "50"), ("gpt", COMPLETION, 0, 150, "450"))
    assert terms(now, before) == Terms(mix=Decimal(100))


def test_more_of_one_meter_is_volume_at_the_average_price_and_mix() -> None:
    before = parts(("gpt", PROMPT, 0, 100, "100"), ("gpt", COMPLETION, 0, 100, "300"))
    now = parts(("gpt", PROMPT, 0, 200, "200"), ("gpt", COMPLETION, 0, 100, "300"))
    assert terms(now, before) == Terms(volume=Decimal(200), mix=Decimal(-100))


def test_meters_of_other_units_have_no_mix() -> None:
    before = parts(("gpt", PROMPT, 0, 100, "100"), ("gpt", "requests", 0, 100, "300"))
    now = parts(("gpt", PROMPT, 0, 200, "200"), ("gpt", "requests", 0, 50, "150"))
    assert terms(now, before) == Terms(volume=Decimal(-50))


def test_new_and_ended_products_are_apart() -> None:
    before = parts(("old", PROMPT, 0, 100, "100"))
    now = parts(("new", PROMPT, 0, 10, "30"))
    assert terms(now, before) == Terms(new=Decimal(30), ended=Decimal(-100))


def test_usage_that_got_a_price_is_no_new_product() -> None:
    key = PartKey("gpt", PROMPT, 0)
    before = {key: CostPart(unpriced_quantity=5)}
    now = {key: CostPart(5, Decimal(10))}
    assert terms(now, before) == Terms(price=Decimal(10))
    assert terms(before, now) == Terms(price=Decimal(-10))


def test_a_new_project_of_a_known_product_is_volume_of_that_project() -> None:
    before = parts(("gpt", PROMPT, 1, 100, "100"))
    now = parts(("gpt", PROMPT, 1, 100, "100"), ("gpt", PROMPT, 2, 20, "20"))
    rows = explain_difference(now, before)
    projects = group_differences(rows, lambda key: key.project_id)
    assert projects[1].terms == Terms()
    assert projects[2].terms == Terms(volume=Decimal(20))


amounts = st.decimals(0, 10**9, places=24)
quantities = st.integers(0, 2**63)
drawn = st.dictionaries(
    st.builds(
        PartKey,
        st.sampled_from(["gpt", "claude", "a100"]),
        st.sampled_from([PROMPT, COMPLETION, "requests", "unknown"]),
        st.integers(0, 2),
    ),
    st.builds(CostPart, quantities, amounts, st.integers(0, 5)),
    max_size=12,
).map(
    lambda rows: {
        key: part if part.quantity else CostPart(0, Decimal(0), part.unpriced_quantity)
        for key, part in rows.items()
    }
)


@hypothesis(max_examples=200, deadline=None, derandomize=True, database=None)
@given(now=drawn, before=drawn)
def test_the_terms_add_up_exactly_however_they_are_grouped(
    now: Parts, before: Parts
) -> None:
    rows = explain_difference(now, before)
    costs = [sum((p.cost for p in side.values()), Decimal(0)) for side in (now, before)]
    assert terms(now, before).total == costs[0] - costs[1]
    assert all(r.terms.total == r.part.cost - r.compared.cost for r in rows)
    by_product = group_differences(rows, lambda key: key.product).values()
    by_project = group_differences(rows, lambda key: key.project_id).values()
    for groups in (by_product, by_project):
        assert sum((g.terms for g in groups), Terms()) == terms(now, before)
