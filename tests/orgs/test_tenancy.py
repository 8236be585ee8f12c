"""Access to organizations by white label and role, on every page."""

import pytest
from django.test import Client
from django.urls import reverse

from orgs import access
from orgs.access import Principal
from orgs.models import Organization, WhiteLabel
from tests.factories import delete, make_organization, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
PAGES = [
    "billing:overview",
    "metrics:usage",
    "billing:costs",
    "billing:billing",
    "orgs:people",
    "orgs:history",
]


@pytest.fixture
def foreign(acme: WhiteLabel) -> Organization:
    return Organization.objects.get(white_label__slug="decoy", external_id="org-7")


@pytest.mark.parametrize("tab", PAGES)
def test_a_page_is_visible_to_its_white_label_and_to_staff_only(
    acme: WhiteLabel,
    org: Organization,
    foreign: Organization,
    client: Client,
    tab: str,
) -> None:
    own, other = (reverse(tab, args=[o.id]) for o in (org, foreign))

    client.force_login(make_user("bound", "viewer", white_label=acme, is_staff=False))
    assert client.get(own).status_code == 200
    refused = client.get(other)
    unknown = client.get(reverse(tab, args=[2**40]))
    assert refused.status_code == unknown.status_code == 404
    assert refused.context["message"] == unknown.context["message"]

    client.force_login(make_user("staff", "viewer"))
    assert client.get(own).status_code == client.get(other).status_code == 200

    client.force_login(make_user("nobody", "viewer", is_staff=False))
    assert client.get(own).status_code == 404


@pytest.mark.parametrize("tab", PAGES)
def test_staff_without_a_role_see_no_page(
    org: Organization, client: Client, tab: str
) -> None:
    client.force_login(make_user("new"))

    assert client.get(reverse(tab, args=[org.id])).status_code == 403


@pytest.mark.parametrize("tab", PAGES)
def test_a_page_requires_a_login(org: Organization, client: Client, tab: str) -> None:
    url = reverse(tab, args=[org.id])

    redirected = client.get(url)
    shown = "http://testserver/organizations/?q=a%26b&sort=name"
    fragment = client.get(url, headers={"hx-request": "true", "hx-current-url": shown})

    assert redirected["Location"] == f"/accounts/login/?next={url}"
    assert (fragment.status_code, fragment.content) == (401, b"")
    assert fragment["HX-Redirect"] == (
        "/accounts/login/?next=/organizations/%3Fq%3Da%2526b%26sort%3Dname"
    )


@pytest.mark.parametrize("tab", PAGES)
def test_a_deleted_organization_is_still_shown(
    org: Organization, client: Client, tab: str
) -> None:
    delete(org)
    client.force_login(make_user("staff", "viewer"))

    assert client.get(reverse(tab, args=[org.id])).status_code == 200


@pytest.mark.parametrize("id_", ["0", str(2**63), "9" * 26])
def test_an_impossible_id_is_a_404(client: Client, id_: str, db: None) -> None:
    client.force_login(make_user("staff", "viewer"))

    for part in ("", "usage/", "costs/", "billing/", "people/", "history/"):
        assert client.get(f"/organizations/{id_}/{part}").status_code == 404


def test_the_list_has_only_organizations_of_the_white_label(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    make_organization(acme, "org-8", name="Only Acme")
    make_organization(WhiteLabel.objects.get(slug="decoy"), "x", name="Only Decoy")
    url = reverse("billing:organization_list")

    client.force_login(make_user("bound", "viewer", white_label=acme, is_staff=False))
    own = client.get(url).content
    client.force_login(make_user("nobody", "viewer", is_staff=False))
    nothing = client.get(url).content

    assert b"Only Acme" in own
    assert b"Only Decoy" not in own
    assert b"Only Acme" not in nothing
    assert b"Only Decoy" not in nothing


def test_a_principal_without_access_reaches_nothing(acme: WhiteLabel) -> None:
    stranger = Principal(name="x")

    assert not access.visible(stranger).exists()
    assert access.visible_white_labels(stranger) == []


def test_a_principal_with_mismatched_white_label_reaches_nothing(
    acme: WhiteLabel, foreign: Organization
) -> None:
    mismatched = Principal(name="x", white_label_id=acme.id, organization_id=foreign.id)

    assert not access.visible(mismatched).exists()


def test_a_disabled_account_is_logged_out(org: Organization, client: Client) -> None:
    user = make_user("staff", "viewer")
    client.force_login(user)
    user.is_active = False
    user.save()

    assert client.get(reverse("billing:overview", args=[org.id])).status_code == 302
