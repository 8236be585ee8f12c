"""Each kind of alert and each measure is declared completely, in one place."""

import re

import pytest
from django.template.loader import get_template

from billing.alerts.emails.samples import SAMPLES, sample_context
from billing.alerts.kinds import ALERT_KINDS, AlertKind
from billing.alerts.measures import ENTITLEMENTS, MEASURES, Measure
from billing.alerts.queries import statements

KINDS = pytest.mark.parametrize("kind", ALERT_KINDS.values(), ids=list(ALERT_KINDS))
MAX_SLUG = 16  # characters of the column


@KINDS
def test_a_kind_has_a_label_and_the_three_templates_of_its_email(
    kind: AlertKind,
) -> None:
    assert kind.label
    assert len(kind.slug) <= MAX_SLUG
    for name in ("subject.txt", "body.txt", "body.html"):
        get_template(f"billing/alerts/emails/{kind.slug}/{name}")


@KINDS
def test_a_kind_has_a_sample_with_figures(kind: AlertKind) -> None:
    context = sample_context(kind.slug)

    assert kind.slug in SAMPLES
    assert context["title"]
    assert context["figures"]
    assert kind.definition.has_cost_chart or not context["days"]


@pytest.mark.parametrize("measure", Measure)
def test_a_measure_is_declared_measured_and_used_by_a_kind(measure: Measure) -> None:
    definition = MEASURES[measure]
    sql = statements.ALL_DAYS if definition.is_daily else statements.ALL_NOW

    assert definition.not_applicable
    assert definition.figures
    assert definition.sample.facts
    # Only complete days can be inconclusive: current figures are what they are.
    assert bool(definition.insufficient_data) is definition.is_daily
    assert re.search(rf"select '{measure}',\s", sql)
    assert any(kind.measure is measure for kind in ALERT_KINDS.values())


@pytest.mark.parametrize("subject", ENTITLEMENTS)
def test_an_entitlement_is_measured(subject: str) -> None:
    assert f"select 'entitlement', '{subject}'" in statements.ALL_NOW


def test_of_kinds_that_trigger_together_only_the_last_is_sent() -> None:
    day, week = ALERT_KINDS["trial_1"], ALERT_KINDS["trial_7"]

    assert day.supersedes(week)
    assert not week.supersedes(day)
    assert not ALERT_KINDS["hard_limit"].supersedes(ALERT_KINDS["soft_limit"])
