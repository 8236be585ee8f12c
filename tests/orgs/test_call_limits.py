"""Limits of calls per minute: exact under load, not enforced without Valkey."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from orgs.models import Organization, WhiteLabel
from tests.factories import make_key, make_organization


def limited(acme: WhiteLabel, calls: int) -> Organization:
    org = make_organization(acme, "org-limited")
    Organization.objects.filter(pk=org.pk).update(rate_limit=calls)
    return org


def get(org: Organization, key: str) -> Any:
    try:
        url = f"/api/v1/billing/costs/{org.pk}/charts"
        return Client(headers={"x-api-key": key}).get(url)
    finally:
        connections.close_all()


@pytest.mark.usefixtures("committed")
def test_of_sixty_parallel_calls_a_limit_of_five_allows_five() -> None:
    from tests.factories import make_white_label  # noqa: PLC0415

    acme = make_white_label("acme")
    org, key = limited(acme, 5), make_key(acme, "billing:read")

    with ThreadPoolExecutor(20) as pool:
        statuses = [r.status_code for r in pool.map(lambda _: get(org, key), range(60))]

    assert (statuses.count(200), statuses.count(429)) == (5, 55)


@pytest.mark.django_db
def test_a_refusal_says_when_to_retry(acme: WhiteLabel) -> None:
    org, key = limited(acme, 1), make_key(acme, "billing:read")
    client = Client(headers={"x-api-key": key})
    url = f"/api/v1/billing/costs/{org.pk}/charts"
    client.get(url)

    response = client.get(url)

    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 60
    assert response["x-cloud-error-codes"] == "billing_service.rate_limited"


@pytest.mark.django_db
def test_limits_are_separate_for_keys_and_organizations(
    acme: WhiteLabel, org: Organization
) -> None:
    busy, key = limited(acme, 1), make_key(acme, "billing:read")
    client = Client(headers={"x-api-key": key})
    client.get(f"/api/v1/billing/costs/{busy.pk}/charts")

    other = Client(headers={"x-api-key": make_key(acme, "billing:read")})
    assert client.get(f"/api/v1/billing/costs/{org.pk}/charts").status_code == 200
    assert other.get(f"/api/v1/billing/costs/{busy.pk}/charts").status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("without_valkey")
def test_reads_are_not_limited_while_valkey_is_down(acme: WhiteLabel) -> None:
    org, key = limited(acme, 1), make_key(acme, "billing:read")
    client = Client(headers={"x-api-key": key})

    for _ in range(3):
        url = f"/api/v1/billing/costs/{org.pk}/charts"
        assert client.get(url).status_code == 200
