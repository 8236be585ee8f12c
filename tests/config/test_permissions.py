"""The permission matrix: every page is declared, and answers each role as declared."""

from collections.abc import Iterator

import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import get_resolver, reverse

from config.permission_matrix import (
    COLUMNS,
    SUPERUSER,
    markdown,
    matrix,
    page_routes,
    person_of,
)
from config.roles import ROLES
from config.route_access import PUBLIC, ROUTES, SIGNED_IN, RoutePermissionMiddleware
from orgs.models import User, WhiteLabel
from tests import ROOT
from tests.factories import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
NAMES = {name: requirement for name, _, requirement in page_routes()}
# Written with GET and POST by the crawl; the sessions would end that of the crawl.
OURS = sorted(
    name
    for name, requirement in NAMES.items()
    if name in ROUTES and requirement not in {SIGNED_IN, PUBLIC}
)
BILLING = "Billing, limits, alerts, corrections"
NOT_REFUSED = {200, 302, 400, 404, 405, 409, 422}
# Which requests are sent as which person: all as a viewer, who may half of them; as the
# others those that the matrix answers otherwise. Strangers are in test_routes.
ROLES_SENT = ("no role", *ROLES, SUPERUSER)


def url_of(name: str) -> str:
    """Return a URL of a route for an id that no row has: only the permission counts."""
    resolver, route = get_resolver(), name.rpartition(":")[2]
    if ":" in name:
        _, resolver = resolver.namespace_dict[name.partition(":")[0]]
    [(_, parameters), *_] = resolver.reverse_dict.getlist(route)[0][0]
    return reverse(name, kwargs=dict.fromkeys(parameters, 999_999))


def test_every_page_is_declared() -> None:
    assert [name for name, requirement in NAMES.items() if requirement is None] == []


def test_no_declaration_is_left_over() -> None:
    assert {*ROUTES} - {*NAMES} == set()


def test_a_page_that_is_not_declared_is_refused() -> None:
    request = HttpRequest()
    request.method, request.path = "GET", "/new/"
    request.user = make_user("root", is_superuser=True)
    request.resolver_match = get_resolver().resolve("/needs-action/")
    request.resolver_match.view_name = "new"
    middleware = RoutePermissionMiddleware(lambda request: HttpResponse())

    with pytest.raises(PermissionDenied):
        middleware.process_view(request, HttpResponse, (), {})


def requests_as(user: User, role: str) -> Iterator[tuple[str, str, bool]]:
    """Yield route, method, and whether it is allowed, of what is sent as a person."""
    for name in OURS:
        requirement = NAMES[name]
        assert requirement
        for method in ("GET", "POST"):
            is_allowed = requirement.allows(user, method)
            viewers = requirement.allows(person_of("viewer"), method)
            is_page = is_allowed and "999999" not in url_of(name)  # rendered elsewhere
            if not is_page and (role == "viewer" or is_allowed is not viewers):
                yield name, method, is_allowed


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES_SENT)
def test_pages_answer_as_the_matrix_says(role: str, acme: WhiteLabel) -> None:
    is_superuser = role == SUPERUSER
    user = make_user("person", role, white_label=acme, is_superuser=is_superuser)
    client = Client()
    client.force_login(user)
    user = User.objects.get(pk=user.pk)

    wrong = []
    for name, method, is_allowed in requests_as(user, role):
        status = getattr(client, method.lower())(url_of(name)).status_code
        if status not in (NOT_REFUSED if is_allowed else {403}):
            wrong.append((name, method, status))

    assert wrong == []


def test_anonymous_requests_reach_no_page_that_is_not_public() -> None:
    open_pages = {name for name, given in NAMES.items() if given is PUBLIC}
    checked = {name for name in OURS if Client().get(url_of(name)).status_code != 302}

    assert checked == set()
    assert open_pages.isdisjoint(ROUTES)


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_the_admin_answers_as_the_matrix_says(role: str, acme: WhiteLabel) -> None:
    [section] = [one for one in matrix() if one.slug == "admin"]
    client = Client()
    client.force_login(make_user("person", role, white_label=acme))
    place = COLUMNS.index(role)

    statuses = {
        row.routes[0]: client.get(row.routes[0]).status_code for row in section.rows
    }

    assert statuses == {
        row.routes[0]: 200 if row.cells[place].startswith("View") else 403
        for row in section.rows
    }


def test_the_page_shows_the_matrix(acme: WhiteLabel) -> None:
    client = Client()
    client.force_login(make_user("ada", "viewer", white_label=acme))

    page = client.get(reverse("roles"))

    assert [section.slug for section in page.context["sections"]] == [
        *("pages", "scopes", "admin"),
    ]
    own = {column["name"] for column in page.context["columns"] if column["is_own"]}
    assert own == {"viewer"}


def test_the_document_has_the_matrix() -> None:
    assert markdown().strip() in (ROOT / "docs/roles.md").read_text()


def test_the_roles_differ_as_they_should() -> None:
    rows = {row.label: row for section in matrix() for row in section.rows}

    def of(label: str, role: str) -> str:
        return rows[label].cells[COLUMNS.index(role)]

    assert of("users", "operator") == "No"
    assert of(BILLING, "viewer") == "Read"
    assert of(BILLING, "finance") != "Read"
    assert of("API keys", "finance") == "No"
