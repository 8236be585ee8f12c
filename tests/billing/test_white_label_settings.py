"""The settings of a white label: default limits, and the preview of a GPU weight."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from billing.models import SpendingLimit
from metrics.commands.roll_up import roll_up_usage
from metrics.queries.gpu_use import find_gpu_use
from orgs.catalog import Scope
from orgs.commands.bootstrap import create_with_admin
from orgs.commands.loading import load_organizations
from orgs.commands.organizations import IncomingOrganization
from orgs.models import Organization, User, WhiteLabel
from tests.factories import event, make_key, make_organization, make_user, record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture(autouse=True)
def people(acme: WhiteLabel) -> None:
    for role in ("viewer", "support", "operator"):
        make_user(role, role)
    make_user("root", is_superuser=True)
    make_user("bound", "operator", white_label=acme)
    make_user("strange", "operator", white_label=WhiteLabel.objects.get(slug="decoy"))


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def address(label: WhiteLabel) -> str:
    return reverse("billing:edit_white_label", args=[label.pk])


def send(client: Client, label: WhiteLabel, **data: Any) -> Any:
    """Send the form as a browser has it, with these changes."""
    form = client.get(address(label)).context["form"]
    initial = {name: form[name].value() or "" for name in form.fields}
    return client.post(address(label), {**initial, "reason": "Asked for", **data})


def limits_of(organization: Organization) -> dict[str, Decimal | None]:
    rows = SpendingLimit.objects.filter(organization=organization)
    return dict(rows.values_list("kind", "amount"))


def test_new_organizations_get_the_default_limits(
    acme: WhiteLabel, org: Organization
) -> None:
    client = of("bound")
    limits = {"default_soft_limit": "700", "default_hard_limit": "1100.50"}
    assert send(client, acme, **limits).status_code == 302
    page = client.get(address(acme)).content.decode()
    assert 'value="1100.5"' in page
    assert "Default hard limit, USD" in page
    assert "changes no existing organization" in " ".join(page.split())
    history = of("operator").get(reverse("orgs:fleet_history")).content.decode()
    assert "default hard limit set to $1,100.50" in history
    assert "Asked for" in history

    form = client.get(reverse("billing:new_organization")).content.decode()
    assert "Acme (acme) · soft limit $700.00, hard limit $1,100.50" in form
    new = {"white_label": "acme", "name": "Page", "external_id": "page"}
    assert client.post(reverse("billing:new_organization"), new).status_code == 302
    answer = Client().post(
        "/api/v1/organizations",
        {"external_id": "api", "name": "API"},
        content_type="application/json",
        headers={"X-API-Key": make_key(acme, "organizations:write")},
    )
    assert answer.status_code == 201
    create_with_admin(
        acme, name="White label API", scopes=[Scope.USAGE_WRITE], created_by="x"
    )
    admin = {
        "white_label": acme.pk,
        "external_id": "admin",
        "name": "Admin",
        "is_active": "on",
        "is_billable": "on",
        "entitlements-TOTAL_FORMS": 0,
        "entitlements-INITIAL_FORMS": 0,
        "created_at_0": "2026-11-01",
        "created_at_1": "00:00:00",
    }
    answer = of("root").post(reverse("admin:orgs_organization_add"), admin)
    assert answer.status_code == 302
    names = [f"bulk-{n}" for n in range(3)]
    load_organizations(acme, [IncomingOrganization(name, name) for name in names])

    both = {"soft": Decimal(700), "hard": Decimal("1100.5")}
    new_ones = Organization.objects.filter(white_label=acme).exclude(pk=org.pk)
    made = [row for row in new_ones if row.pk != acme.owner_id]
    assert len(made) == 7
    assert all(limits_of(row) == both for row in made)
    assert limits_of(org) == {}

    # A later change is for later organizations only.
    assert send(client, acme, default_soft_limit="", default_hard_limit="0").status_code
    acme.refresh_from_db()
    assert (acme.default_soft_limit, acme.default_hard_limit) == (None, None)
    assert limits_of(made[0]) == both
    assert limits_of(make_organization(acme, "later")) == {}


def test_bad_limits_and_stale_forms_are_refused(acme: WhiteLabel) -> None:
    assert of("viewer").get(address(acme)).status_code == 403
    assert of("support").post(address(acme)).status_code == 403
    for method in ("get", "post"):
        assert getattr(of("strange"), method)(address(acme)).status_code == 404

    client = of("operator")
    for soft, hard in (
        ("1,000", ""), ("1.000,5", ""), ("1e3", ""), ("-1", ""), ("$5", ""),
        ("NaN", ""), ("700", "600"), ("1" * 13, ""), ("0." + "0" * 12 + "1", ""),
        ("1" * 41, ""),
    ):  # fmt: skip
        data = {"default_soft_limit": soft, "default_hard_limit": hard}
        answer = send(client, acme, **data)
        assert answer.status_code == 422, data
        assert set(answer.context["form"].errors) == {"default_soft_limit"}, data
        assert answer.context["form"]["default_soft_limit"].value() == soft
    assert send(client, acme, reason="").status_code == 422

    first = client.get(address(acme)).context["form"].initial["before"]
    assert send(of("bound"), acme, default_hard_limit="5").status_code == 302
    answer = send(client, acme, before=first, default_hard_limit="6")
    assert answer.status_code == 409
    assert "default hard limit set to $5.00 by bound" in answer.content.decode()
    acme.refresh_from_db()
    assert acme.default_hard_limit == 5


def test_another_gpu_weight_is_previewed_before_it_is_saved(
    acme: WhiteLabel, org: Organization, django_assert_max_num_queries: Any
) -> None:
    for n in range(12):
        use_gpu(acme, make_organization(acme, f"gpu-{n}"), 3_600 * (n + 1))
    use_gpu(acme, org, 0)
    roll_up_usage()
    client = of("bound")

    with django_assert_max_num_queries(400):
        answer = send(client, acme, gpu_weight="5")

    page = " ".join(answer.content.decode().split())
    assert answer.status_code == 200
    assert 'data-weight-preview="12"' in page
    assert "Check what changes, then save again." in page
    preview = answer.context["preview"]
    # 78 hours of GPU; each organization has also 100 CPU seconds.
    assert preview.totals == (1_200 + 3 * 280_800, 1_200 + 5 * 280_800)
    assert [row.organization.external_id for row in preview.rows[:2]] == [
        "gpu-11",
        "gpu-10",
    ]
    largest = preview.rows[0]
    assert (largest.before, largest.after) == (129_700, 216_100)
    assert (len(preview.rows), preview.more) == (10, 2)
    assert preview.changes_no_limits
    acme.refresh_from_db()
    assert acme.gpu_weight == 3

    previewed = answer.context["form"]["previewed_weight"].value()
    answer = send(client, acme, gpu_weight="7", previewed_weight=previewed)
    assert 'data-weight-preview="12"' in answer.content.decode()
    answer = send(client, acme, gpu_weight="5", previewed_weight=previewed)
    assert answer.status_code == 302
    acme.refresh_from_db()
    assert acme.gpu_weight == 5
    same = send(client, acme, step="preview", reason="")
    assert 'data-weight-preview="nothing"' in same.content.decode()


def use_gpu(label: WhiteLabel, organization: Organization, seconds: int) -> None:
    usage = {"cpu_seconds": 100} | ({"gpu_seconds": seconds} if seconds else {})
    id_ = f"e-{organization.external_id}"
    name = organization.external_id
    record(label, [event(id_, organization=name, product="h100", quantities=usage)])


def test_the_largest_are_found_in_one_statement(
    acme: WhiteLabel, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert find_gpu_use(acme, count=10).organizations == 0
