"""Contract C's errors on every path, and the account of a credential."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from orgs.models import Organization, Project, WhiteLabel
from tests.factories import NOW, delete, make_key, make_organization, make_white_label
from tests.support.costs_api import Ask, make_billed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
PATHS = ["", "/items", "/deployments", "/deployments/none/items", "/charts"]


@pytest.fixture
def billed(acme: WhiteLabel, org: Organization) -> Organization:
    return make_billed(acme, org)


@pytest.fixture
def ask(acme: WhiteLabel, billed: Organization, client: Client) -> Ask:
    return Ask(client, billed.id, make_key(acme, "billing:read"))


@pytest.fixture
def project(billed: Organization) -> int:
    return Project.objects.get(organization=billed).pk


@pytest.mark.parametrize("path", [*PATHS, "/deployments/none/charts"])
def test_every_path_returns_the_error_codes_of_the_contract(
    ask: Ask, acme: WhiteLabel, billed: Organization, path: str
) -> None:
    backwards = f"{path}?from=2026-11-02&to=2026-11-01"
    assert ask.error(backwards) == (400, "costs.invalid_date_range")
    assert ask.error(f"{path}?to=soon") == (400, "costs.invalid_date_range")
    other = make_organization(make_white_label("other"), "org-1")
    for id_ in ("x", "0", 10**30, other.id + 1000, "7 "):
        assert Ask(ask.client, id_, ask.key).error(path)[0] == 404
    foreign = Ask(ask.client, other.id, ask.key).error(path)
    assert foreign == (403, "organization.invalid_access")
    no_scope = Ask(ask.client, billed.id, make_key(acme, "usage:write"))
    assert no_scope.error(path)[0] == 403
    delete(billed)
    assert ask.error(path) == (404, "organization.not_found")


def test_an_id_with_a_slash_has_the_code_of_the_contract(ask: Ask) -> None:
    for path in ("", "/items", "/charts"):
        other = Ask(ask.client, "a%2Fb", ask.key)
        assert other.error(path) == (404, "organization.not_found")


@pytest.mark.parametrize("id_", ["x", "0", "-1", "9" * 40, str(2**63)])
def test_unknown_project_is_a_404(ask: Ask, id_: str) -> None:
    items = ask.error(f"/deployments/{id_}/items")
    assert items == (404, "billing_service.es_cluster_id_not_found")
    charts = ask.error(f"/deployments/{id_}/charts")
    assert charts == (404, "organization.not_found")


def test_project_of_another_organization_is_a_404(
    ask: Ask, billed: Organization
) -> None:
    foreign = Project.objects.exclude(organization=billed).get().pk

    assert ask.error(f"/deployments/{foreign}/items")[0] == 404


def test_deleted_project_keeps_its_costs(ask: Ask, project: int) -> None:
    Project.objects.filter(pk=project).update(deleted_at=NOW)

    assert len(ask("/deployments")["deployments"]) == 2
    assert ask(f"/deployments/{project}/items")["costs"]["total"] == Decimal("13.5")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/charts", "billing_service.rate_limited"),
        ("/deployments/none/charts", "billing_service.rate_limited"),
        ("/items", "rate_limited"),
        ("", "rate_limited"),
    ],
)
def test_rate_limit_of_charts_has_the_code_of_the_contract(
    ask: Ask, billed: Organization, path: str, code: str
) -> None:
    Organization.objects.filter(pk=billed.pk).update(rate_limit=1)
    ask(path)

    assert ask.error(path) == (429, code)
    assert int(ask.raw(path)["Retry-After"]) > 0


def test_account_is_the_organization_of_the_key(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    def account(key: str) -> Any:
        headers = {"authorization": f"ApiKey {key}"}
        return client.get("/api/v1/account", headers=headers).json()

    assert account(make_key(acme, "billing:read")) == {"id": str(acme.owner_id)}
    own = make_key(acme, "billing:read", organization=org)
    assert account(own) == {"id": str(org.id)}
