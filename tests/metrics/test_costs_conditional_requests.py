"""Conditional requests of charts: status 304 exactly until usage changes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from metrics.commands.rankings import fill_rankings
from metrics.commands.roll_up import roll_up_usage
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_key,
    make_organization,
    make_rate,
    make_white_label,
    record,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
Get = Callable[..., Any]


@pytest.fixture
def get(acme: WhiteLabel, org: Organization, client: Client) -> Get:
    make_rate(acme, "2")
    record(acme, [event("a")])
    key = make_key(acme, "billing:read")

    def get(tag: str = "", *, organization: Organization = org, query: str = "") -> Any:
        url = f"/api/v1/billing/costs/{organization.pk}/{query or 'charts'}"
        headers = {"x-api-key": key, **({"if-none-match": tag} if tag else {})}
        return client.get(url, headers=headers)

    return get


def test_unchanged_chart_is_a_304_without_body(
    get: Get, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first = get()
    assert first["Cache-Control"] == "private, no-cache"

    with django_assert_num_queries(2):  # the key and organization; the version
        repeated = get(first["ETag"])

    assert (repeated.status_code, repeated.content) == (304, b"")
    assert repeated["ETag"] == first["ETag"]


@pytest.mark.parametrize("form", ["W/{0}", '"other", {0}', "*", "{0}"])
def test_every_form_of_if_none_match_is_accepted(get: Get, form: str) -> None:
    assert get(form.format(get()["ETag"])).status_code == 304


@pytest.mark.parametrize("tag", ['"other"', "nonsense", '"', "W/", '""'])
def test_different_tag_returns_the_chart(get: Get, tag: str) -> None:
    assert get(tag).json() == get().json()


def test_each_recording_changes_the_tag(acme: WhiteLabel, get: Get) -> None:
    tags = [get()["ETag"]]
    for change in (
        event("b"),
        event("late", timestamp="2026-11-02T00:00:00Z"),
        event("other product", product="claude"),
    ):
        record(acme, [change])
        answer = get(tags[-1])
        assert answer.status_code == 200
        tags.append(answer["ETag"])
        roll_up_usage()
        assert get(tags[-1]).status_code == 304

    assert len(set(tags)) == 4


def test_duplicates_roll_ups_and_rankings_keep_the_tag(
    acme: WhiteLabel, org: Organization, get: Get
) -> None:
    tag = get()["ETag"]
    make_organization(acme, "org-8")
    record(acme, [event("a"), event("b", organization="org-8")])  # a is a duplicate
    roll_up_usage()
    fill_rankings([org.pk])

    assert get(tag).status_code == 304


def test_tag_depends_on_range_grain_and_day(get: Get) -> None:
    tag = get()["ETag"]
    for query in ("?to=2026-11-20", "?bucketing_strategy=monthly", "?from=2026-11-02"):
        assert get(tag, query="charts" + query).status_code == 200
    # The default range ends with the current day.
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        assert get(tag).status_code == 200


def test_tag_does_not_bypass_authentication(
    org: Organization, get: Get, client: Client
) -> None:
    tag = get()["ETag"]
    foreign = make_key(make_white_label("other"), "billing:read")
    without_scope = make_key(org.white_label, "usage:write")
    url = f"/api/v1/billing/costs/{org.pk}/charts"
    for key, status in ((foreign, 403), (without_scope, 403), ("ei_wrong", 401)):
        headers = {"x-api-key": key, "if-none-match": tag}
        assert client.get(url, headers=headers).status_code == status


def test_chart_of_a_project_has_a_different_tag(acme: WhiteLabel, get: Get) -> None:
    record(acme, [event("p", project="web")])
    chart, project_chart = get(), get(query="deployments/none/charts")

    assert project_chart.status_code == 200
    assert project_chart["ETag"] != chart["ETag"]
    assert (
        get(project_chart["ETag"], query="deployments/none/charts").status_code == 304
    )
