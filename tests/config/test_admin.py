"""Django admin: login and roles as on other pages, and writes through commands."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from billing.models import BillingAccount, BillingPeriod, SpendingLimit
from metrics.models import OpenPeriod, Rate
from orgs.admin import SuperusersOnly, VisibleRowsAdmin
from orgs.models import ApiKey, Entitlements, Organization, WhiteLabel
from tests.factories import (
    NOW,
    make_key,
    make_organization,
    make_organizations,
    make_user,
)
from tests.support.admin import fields

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
ROLES = ("viewer", "support", "finance", "operator")
GATED = [
    "orgs_organization",
    "orgs_member",
    "orgs_project",
    "orgs_whitelabel",
    "orgs_apikey",
    "billing_billingaccount",
    "billing_spendinglimit",
    "billing_subscription",
    "billing_invoice",
    "metrics_rate",
]


def proof(client: Client, url: str) -> str:
    """Return what the form of a row shows that it began with."""
    return str(client.get(url).context["adminform"].form["before"].value())


def listed(model: str) -> str:
    return reverse(f"admin:{model}_changelist")


@pytest.mark.parametrize("model", GATED)
def test_lists_require_staff_with_a_role(
    acme: WhiteLabel, org: Organization, client: Client, model: str
) -> None:
    client.force_login(make_user("op", "operator"))
    assert client.get(listed(model), {"q": "x"}).status_code == 200

    client.force_login(make_user("new"))
    assert client.get(listed(model)).status_code == 403

    client.force_login(make_user("outside", "operator", is_staff=False))
    assert client.get(listed(model)).status_code == 302

    client.logout()
    assert client.get(listed(model))["Location"].startswith(
        "/accounts/login/?next=/admin"
    )


def test_an_operator_of_a_white_label_edits_only_its_organizations(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    foreign = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    client.force_login(make_user("op", "operator", white_label=acme))

    def change(id_: int) -> int:
        url = reverse("admin:orgs_organization_change", args=[id_])
        return client.get(url).status_code

    assert (change(org.id), change(foreign.id)) == (200, 302)
    page = client.get(reverse("admin:orgs_member_add"))
    offered = page.context["adminform"].form.fields["organization"].queryset
    assert {o.white_label_id for o in offered} == {acme.id}
    rows = client.get(listed("orgs_organization")).context["cl"].result_list
    assert {o.white_label_id for o in rows} == {acme.id}


@pytest.mark.parametrize(
    ("model", "may_add"),
    [
        ("orgs_organization", {"operator"}),
        ("orgs_whitelabel", {"operator"}),
        ("orgs_apikey", {"operator"}),
        ("orgs_member", {"support", "operator"}),
        ("orgs_project", {"support", "operator"}),
        ("metrics_rate", {"finance", "operator"}),
        ("billing_spendinglimit", {"finance", "operator"}),
        ("billing_billingaccount", {"operator"}),
        ("billing_invoice", set()),
        ("billing_subscription", set()),
        ("orgs_user", set()),
        ("auth_group", set()),
    ],
)
def test_each_role_adds_only_what_it_may(
    client: Client, model: str, may_add: set[str]
) -> None:
    url = reverse(f"admin:{model}_add")
    allowed = set()
    for role in ROLES:
        client.force_login(make_user(role, role))
        if client.get(url).status_code != 403:
            allowed.add(role)

    assert allowed == may_add


@pytest.mark.parametrize(
    ("role", "may"),
    [("viewer", False), ("finance", False), ("support", True), ("operator", True)],
)
def test_only_support_and_operators_change_organizations(
    org: Organization, client: Client, role: str, may: bool
) -> None:
    client.force_login(make_user(role, role))
    url = reverse("admin:orgs_organization_change", args=[org.id])

    assert client.get(url).status_code == 200
    answer = client.post(url, {"name": "New"})

    assert (answer.status_code != 403) is may


FILTERED = ["orgs_organization", "metrics_rate"]


@pytest.mark.parametrize("model", FILTERED)
def test_filters_offer_only_visible_white_labels(
    acme: WhiteLabel, client: Client, model: str
) -> None:
    client.force_login(make_user("bound", "operator", white_label=acme))
    other = Client()
    other.force_login(make_user("free", "operator"))

    bound_page, free_page = (one.get(listed(model)) for one in (client, other))

    assert {filtered.title for filtered in free_page.context["cl"].filter_specs} > {
        filtered.title for filtered in bound_page.context["cl"].filter_specs
    }
    assert "Decoy" in free_page.content.decode()
    assert "Decoy" not in bound_page.content.decode()


def test_every_admin_page_limits_its_rows() -> None:
    """A model of a package that registers itself would show all white labels."""
    free = {
        model._meta.label
        for model, page in admin.site._registry.items()
        if not isinstance(page, VisibleRowsAdmin | SuperusersOnly)
    }

    assert free == set()


def test_a_customer_is_not_linked_in_the_admin(
    org: Organization, client: Client
) -> None:
    """An error that one exists would reveal customers of other white labels."""
    client.force_login(make_user("op", "operator", white_label=org.white_label))
    url = reverse("admin:billing_billingaccount_add")

    page = client.get(url)
    client.post(url, {"organization": org.pk, "stripe_id": "cus_x", "free_balance": 1})

    assert 'name="stripe_id"' not in page.content.decode()
    assert not BillingAccount.objects.exclude(stripe_id=None).exists()


def test_rows_cannot_be_deleted_in_the_admin() -> None:
    user = make_user("root", is_superuser=True)
    request = type("Request", (), {"user": user})()

    for model, site in admin.site._registry.items():
        if model._meta.app_label in {"orgs", "metrics", "billing"}:
            assert not site.has_delete_permission(request), model


def test_an_organization_created_in_the_admin_has_its_first_period(
    acme: WhiteLabel, client: Client
) -> None:
    client.force_login(make_user("op", "operator"))
    url = reverse("admin:orgs_organization_add")
    data = fields(client.get(url))

    answer = client.post(
        url, {**data, "white_label": acme.pk, "external_id": "made", "name": "Made"}
    )

    assert answer.status_code == 302, answer.context["errors"]
    made = Organization.objects.get(external_id="made")
    assert made.created_by == "op"
    assert OpenPeriod.objects.get(pk=made.pk).number == 1
    assert BillingPeriod.objects.get(organization=made).number == 1


def test_keys_are_created_on_their_page_only(acme: WhiteLabel, client: Client) -> None:
    client.force_login(make_user("op", "operator"))
    data = {"white_label": acme.pk, "name": "ci", "scopes": ["usage:write"]}

    answer = client.post(reverse("admin:orgs_apikey_add"), data)

    assert (answer.status_code, answer["Location"]) == (302, reverse("orgs:api_keys"))
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_for_good(acme: WhiteLabel, client: Client) -> None:
    """A form that was filled in by hand revives nothing."""
    client.force_login(make_user("root", is_superuser=True))
    make_key(acme, "usage:write", expires_at=NOW + timedelta(days=1))
    key = ApiKey.objects.get()
    action = {"action": "revoke", "_selected_action": [key.pk]}
    client.post(listed("orgs_apikey"), action)
    key.refresh_from_db()
    url = reverse("admin:orgs_apikey_change", args=[key.pk])

    empty = dict.fromkeys(("revoked_at_0", "revoked_at_1"), "")
    client.post(url, empty | {"name": "x", "before": proof(client, url)})

    again = ApiKey.objects.get()
    assert key.revoked_at == NOW
    assert (again.name, again.revoked_at, again.expires_at) == (
        *("x", NOW),
        key.expires_at,
    )


def test_an_organization_of_another_white_label_is_refused(
    acme: WhiteLabel, client: Client
) -> None:
    foreign = make_organization(WhiteLabel.objects.get(slug="decoy"), "x")
    client.force_login(make_user("op", "operator"))
    both = {"white_label": acme.pk, "organization": foreign.pk}
    rate = {"product": "gpt", "meter": "requests", "unit_price": "1"}

    client.post(
        reverse("admin:metrics_rate_add"), {**both, **rate, "benchmark_unit_price": "0"}
    )

    assert not Rate.objects.exists()


def test_a_rate_for_the_same_start_replaces_the_one_before(
    acme: WhiteLabel, client: Client
) -> None:
    client.force_login(make_user("fin", "finance"))
    url = reverse("admin:metrics_rate_add")
    rate = {"white_label": acme.pk, "product": "gpt", "meter": "requests"}

    for price in ("5", "7"):
        answer = client.post(
            url, {**rate, "unit_price": price, "benchmark_unit_price": "0"}
        )
        assert answer.status_code == 302

    rows = Rate.objects.order_by("id").values_list("unit_price", "removed_in")
    assert list(rows) == [(Decimal(5), 2), (Decimal(7), None)]


def test_a_changed_amount_raises_the_version_of_a_limit(
    org: Organization, client: Client
) -> None:
    client.force_login(make_user("fin", "finance"))
    add = {"organization": org.pk, "kind": "soft", "amount": "100"}
    client.post(reverse("admin:billing_spendinglimit_add"), add)
    limit = SpendingLimit.objects.get()
    url = reverse("admin:billing_spendinglimit_change", args=[limit.pk])

    versions = []
    for amount in ("100", "250", "250"):
        client.post(url, {"amount": amount, "before": proof(client, url)})
        versions.append(SpendingLimit.objects.get().version)

    assert versions == [1, 2, 2]


def test_no_form_lists_a_table_that_grows(acme: WhiteLabel, client: Client) -> None:
    names = [{"external_id": f"many-{number}"} for number in range(201)]
    make_organizations(acme, names)
    client.force_login(make_user("root", is_superuser=True))
    # Permissions grow with the models, not with the rows.
    fixed = {"permissions", "user_permissions"}

    long: dict[str, set[str]] = {}
    for model in admin.site._registry:
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        rows = client.get(listed(label)).text
        page = client.get(reverse(f"admin:{label}_add")).text
        for select in re.findall(r"<select\b.*?</select>", rows + page, re.DOTALL):
            [name] = re.findall(r'name="([^"]*)"', select[:300])[:1] or [""]
            if select.count("<option") > 200 and name not in fixed:
                long.setdefault(label, set()).add(name)

    assert long == {}


def test_the_search_of_organizations_offers_only_visible_ones(
    acme: WhiteLabel, client: Client
) -> None:
    client.force_login(make_user("bound", "operator", white_label=acme))
    query = {"app_label": "orgs", "model_name": "member", "field_name": "organization"}

    answer = client.get(reverse("admin:autocomplete"), {**query, "term": "org"}).json()

    own = Organization.objects.get(white_label=acme, external_id="org-7")
    assert [row["id"] for row in answer["results"]] == [str(own.pk)]


def test_entitlements_are_written_in_natural_units(
    org: Organization, client: Client
) -> None:
    client.force_login(make_user("op", "operator"))
    Entitlements.objects.update_or_create(
        organization=org, defaults={"storage_bytes": 8 << 40}
    )
    url = reverse("admin:orgs_organization_change", args=[org.id])
    page = client.get(url)
    assert 'value="8 TiB"' in page.text
    assert f'href="{reverse("billing:overview", args=[org.id])}"' in page.text
    data = fields(page) | {"experiments": ""}
    name = re.findall(r'name="([^"]+-storage_bytes)"', page.text)[0]
    prefix = name.removesuffix("storage_bytes")
    data |= {f"{prefix}organization": str(org.pk)}

    wrong = client.post(url, {**data, name: "1,000 GiB"})
    client.post(url, {**data, name: "1.5 TiB", f"{prefix}gpu_seconds_per_year": "10 h"})

    assert "Write a plain number" in wrong.text
    saved = Entitlements.objects.get(organization=org)
    assert (saved.storage_bytes, saved.gpu_seconds_per_year) == (3 << 39, 36_000)
    assert "deleted_at_0" not in page.text
