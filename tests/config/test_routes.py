"""Every route with and without access: owner, three kinds of strangers, no login.

Also with the wrong scope. A route that is in no table below fails the first tests.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from config.openapi.document import document
from metrics.models import UsageReport
from orgs.catalog import Scope
from orgs.models import Job, Member, Organization, Project, WhiteLabel
from tests.factories import NOW, delete, make_key, make_organization, make_user
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
READ, WRITE = Scope.ORGANIZATIONS_READ, Scope.ORGANIZATIONS_WRITE
BILL, PAY, USE = Scope.BILLING_READ, Scope.BILLING_WRITE, Scope.USAGE_WRITE
PUSH = Scope.INTEGRATIONS_WRITE
OK, REFUSED = "ok", {401, 403, 404, 405}

OURS = "/api/v1/organizations/{organization_id}"
COSTS = "/api/v1/billing/costs/{organization_id}"
LABEL = "/v1/api/organizations/{organization_id}/whitelabel"
INNER = f"{LABEL}/organizations/{{inner_id}}"

LISTS = (
    *("billing-periods", "invoices", "adjustments", "charges", "credits"),
    "charge-decisions",
    *("subscriptions", "limits", "alerts", "alert-emails", "discrepancies"),
)

# The path names one organization; keys without access to it get a 404.
NAMED = {
    f"get {OURS}": READ,
    f"patch {OURS}": WRITE,
    f"delete {OURS}": WRITE,
    f"post {OURS}/restore": WRITE,
    f"get {OURS}/members": READ,
    f"post {OURS}/members": WRITE,
    f"patch {OURS}/members/{{member_id}}": WRITE,
    f"delete {OURS}/members/{{member_id}}": WRITE,
    f"get {OURS}/projects": READ,
    f"post {OURS}/projects": WRITE,
    f"patch {OURS}/projects/{{project_id}}": WRITE,
    f"delete {OURS}/projects/{{project_id}}": WRITE,
    f"get {OURS}/usage": READ,
    f"get {OURS}/access": READ,
    f"get {OURS}/access/actions": BILL,
    f"get {OURS}/access/history": BILL,
    f"get {OURS}/costs.csv": BILL,
    f"get {OURS}/costs/difference": BILL,
    f"get {OURS}/costs/difference.csv": BILL,
    f"get {OURS}/forecast": BILL,
    f"get {OURS}/metrics.csv": READ,
    f"get {OURS}/billing-periods/{{number}}": BILL,
    f"get {OURS}/alert-status": BILL,
    **{f"get {OURS}/{name}": BILL for name in LISTS},
    f"get {OURS}/tables/{{table}}.csv": READ,  # of the table members
}
# Contract C documents 403 for an existing organization that the key cannot access.
BILLED = {
    f"get {COSTS}": BILL,
    f"get {COSTS}/charts": BILL,
    f"get {COSTS}/items": BILL,
    f"get {COSTS}/deployments": BILL,
    f"get {COSTS}/deployments/{{deployment_id}}/items": BILL,
    f"get {COSTS}/deployments/{{deployment_id}}/charts": BILL,
}
# Contract A: the owner of a white label, and an organization of it.
LABELLED = {
    f"get {INNER}": READ,
    f"post {INNER}": WRITE,
    f"delete {INNER}": WRITE,
    f"get {INNER}/restore": WRITE,
    f"get {INNER}/jobs": READ,
    f"post {INNER}/projects": WRITE,
    f"post {INNER}/apiKeys": WRITE,
    f"post {INNER}/members": WRITE,
    f"delete {INNER}/members/{{user_id}}": WRITE,
    f"get {INNER}/usage/computeTime": READ,
    f"post {INNER}/usage/reports": WRITE,
    f"get {INNER}/usage/reports": READ,
    f"get {INNER}/usage/reports/{{report_id}}": READ,
    f"delete {INNER}/usage/reports/{{report_id}}": WRITE,
    f"get {INNER}/usage/reports/{{report_id}}/download": READ,
}
OWNED = {
    f"get {LABEL}": READ,
    f"put {LABEL}": WRITE,
    f"get {LABEL}/metrics": READ,
    f"get {LABEL}/organizations": READ,
    f"post {LABEL}/organizations": WRITE,
    f"get {LABEL}/users": READ,
    f"get {LABEL}/users/{{user_id}}": READ,
    f"get {LABEL}/users/{{user_id}}/jobs": READ,
    f"get {LABEL}/users/{{user_id}}/metrics": READ,
    f"post {LABEL}/projects": WRITE,
    f"get {LABEL}/projects/{{project_id}}": READ,
    f"get {LABEL}/projects/{{project_id}}/jobs": READ,
    f"get {LABEL}/projects": READ,
}
# The path names no organization: the key determines the data.
OWN = {
    "get /api/v1/organizations": READ,
    "post /api/v1/organizations": WRITE,
    "post /api/v1/usage/events": USE,
    "get /api/v1/usage/events": READ,
    "get /api/v1/rates": BILL,
    "get /api/v1/needs-action": BILL,
    "put /api/v1/rates": PAY,
    **{f"get /api/v1/{name}": BILL for name in LISTS},
    "get /api/v1/account": BILL,
    "put /v1/orgs/integrations": PUSH,
    "get /v1/orgs/current": READ,
    "get /v1/orgs/list": READ,
    "put /v1/billing/limits": PAY,
}
HOOK = "/api/v1/webhook-endpoints"
# Endpoints of webhooks, and what is delivered to them: see test_webhooks_api.
HOOKS = {
    "get /api/v1/event-types": BILL,
    f"get {HOOK}": BILL,
    f"post {HOOK}": PUSH,
    f"get {HOOK}/{{webhook_endpoint_id}}": BILL,
    f"patch {HOOK}/{{webhook_endpoint_id}}": PUSH,
    f"delete {HOOK}/{{webhook_endpoint_id}}": PUSH,
    f"post {HOOK}/{{webhook_endpoint_id}}/rotate-secret": PUSH,
    f"post {HOOK}/{{webhook_endpoint_id}}/test": PUSH,
    f"post {HOOK}/{{webhook_endpoint_id}}/replay": PUSH,
    "get /api/v1/deliveries": BILL,
    "get /api/v1/deliveries/{delivery_id}": BILL,
    "post /api/v1/deliveries/{delivery_id}/resend": PUSH,
}
# One's own exports: either scope that tables require. See test_exports_api.
EXPORTS = {
    "get /api/v1/tables",
    "get /api/v1/tables/{table}.csv",
    "get /api/v1/exports",
    "get /api/v1/exports/{export_id}",
    "get /api/v1/exports/{export_id}/file",
    "delete /api/v1/exports/{export_id}",
}
TOKENS = {"post /api/v1/users/auth/_refresh"}  # see test_login_tokens
OPEN = {"post /api/v1/users/auth/_login", "post /v1/api-login"}
# These find deleted organizations: to restore them, and to see their deletion job.
REACH_DELETED = {
    f"get {OURS}/access",  # returns that it is deleted
    f"get {OURS}/access/actions",
    f"get {OURS}/access/history",
    f"post {OURS}/restore",
    f"get {INNER}/restore",
    f"get {INNER}/jobs",
}

ORGANIZATION_PAGES = {
    "billing:access",
    "billing:alerts",
    "billing:overview",
    "billing:billing",
    "billing:credits",
    "billing:periods",
    "billing:void",
    "billing:costs",
    "billing:cost_lines",
    "billing:day_events",
    "metrics:usage",
    "billing:customer_links",
    "billing:details",
    "orgs:people",
    "orgs:notes",
    "orgs:history",
    "billing:history_csv",
    "billing:integrations",
    "billing:organization_webhooks",
}
STAFF_PAGES = {
    *("billing:fleet", "billing:organization_list", "billing:organization_csv"),
    "billing:search",  # see test_search_page
    *("billing:needs_action", "billing:needs_action_csv"),
    "orgs:api_keys",
    # See test_security_log_page.
    *("orgs:security_log", "orgs:security_log_csv", "orgs:seals"),
    "billing:webhook_endpoints",  # see test_webhooks_pages
    *("orgs:fleet_history", "billing:fleet_history_csv"),  # see test_history_pages
    "orgs:fleet_notes",  # see test_notes
    "billing:new_organization",  # see test_details
    # See test_settings_pages.
    *("orgs:staff", "orgs:invite_staff", "orgs:white_labels"),
    # See test_prices_page.
    *("metrics:prices", "metrics:new_price", "metrics:import_prices"),
    *("metrics:end_price", "metrics:rerates"),
    *("metrics:public_prices", "billing:add_organizations"),
    *("billing:setup", "billing:first_usage"),
    "metrics:prices_csv",
    *("orgs:new_white_label", "billing:background_jobs"),
    *(
        "billing:stripe_sync",
        "billing:discrepancies",
        "billing:webhook_events",
        "billing:failed_jobs",
    ),
    *("billing:fleet_alerts", "billing:alert_emails", "billing:unpriced"),
    *("components", "billing:exports"),
    "roles",  # see test_permissions
}
# Two are POST only: see test_api_keys_page and test_key_addresses.
KEY_PAGES = {"orgs:edit_key", "orgs:rotate_key", "orgs:revoke_key"}
# See test_sessions: of the account, or of another one for superusers.
SESSION_PAGES = {
    *("orgs:sessions", "orgs:end_session", "orgs:end_sessions"),
    *("orgs:sessions_of", "orgs:end_session_of", "orgs:end_sessions_of"),
}
# Routes of one row, most of them POST only: see test_stripe_pages and test_actions.
ROW_PAGES = {
    *("billing:fleet_table", "billing:organization_table"),  # see test_tables
    *("billing:export", "billing:export_file", "billing:export_again"),
    *("billing:cancel_export", "billing:delete_export"),  # see test_exports
    *("orgs:view_as", "billing:customer_preview"),  # see test_view_as
    *("orgs:view_as_account", "orgs:stop_view_as"),
    "billing:revoke_customer_link",  # see test_customer_page
    "billing:write_off",  # see test_unpriced_periods
    *("billing:webhook_endpoint", "billing:webhook_delivery"),
    "billing:resend_delivery",  # see test_webhooks_pages
    *("billing:edit_details", "billing:undo_details"),  # see test_details
    *("orgs:edit_staff", "billing:edit_white_label"),
    "orgs:edit_branding",
    "metrics:undo_price",  # see test_prices_page
    "metrics:rerate",  # see test_rerates_page
    "billing:retry_background_jobs",  # see test_settings_pages
    *("orgs:add_person", "orgs:add_members", "orgs:edit_person"),
    *("orgs:remove_person", "orgs:restore_person"),  # see test_people_page
    *("orgs:edit_note", "orgs:pin_note"),
    *("orgs:delete_note", "orgs:restore_note"),  # see test_notes
    # See test_integrations_page.
    *("billing:edit_integration", "billing:edit_backfill"),
    *("billing:start_sync", "billing:discrepancy_row", "billing:resolve_discrepancy"),
    *(
        "billing:resolve_all_discrepancies",
        "billing:resend_event",
        "billing:ignore_event",
    ),
    *(
        "billing:charge_decision",
        "billing:retry_failed_job",
        "billing:action_form",
        "billing:subscription_action_form",
        "billing:action",
    ),
    *("billing:cancel_action", "billing:retry_action"),
    *("billing:snooze_reason", "billing:end_reason_snooze"),  # see test_needs_action
    *("billing:save_list_view", "billing:delete_list_view"),  # see test_list_tool
    # Alerts and their emails: see test_alerts_page and test_emails.
    *("billing:edit_limits", "billing:edit_recipients", "billing:snooze_alerts"),
    "billing:edit_percents",
    *("billing:resend_alert", "billing:alert_email", "billing:alert_email_html"),
}
# The webhook is signed; its path without a slash has no name.
OPEN_PAGES = {
    *("health", "livez"),
    "openapi",
    "api_docs",
    *("None:sso_login", "None:sso_callback"),  # see test_sso
    "stripe_webhook",
    *("orgs:logo", "orgs:accent_style"),  # see test_branding
    *("billing:unsubscribe", "billing:customer_page"),  # see test_customer_page
    "",
}


@dataclass
class World:
    """The target org-7 of acme, its neighbour org-11, and a decoy white label."""

    acme: WhiteLabel
    target: Organization
    neighbour: Organization
    decoy: WhiteLabel
    ids: dict[str, object]

    def call(self, route: str, key: str | None) -> int:
        method, path = route.split(" ")
        client = Client(headers={"x-api-key": key} if key else {})
        url = path.format(**self.ids)
        if method == "get":
            return client.get(url).status_code
        body = BODIES.get(route, {})
        answer = getattr(client, method)(url, body, content_type="application/json")
        return int(answer.status_code)


BODIES: dict[str, object] = {
    "post /api/v1/usage/events": [{}],
    f"post {INNER}/apiKeys": {"name": "k", "role": "admin"},
    f"post {INNER}/members": {
        "usernameOrEmail": "a@b.example",
        "role": "member",
        "datasets": [],
    },
}


@pytest.fixture
@snapshot
def world(acme: WhiteLabel, org: Organization) -> World:
    neighbour = make_organization(acme, "org-11")
    job = Job.objects.create(
        organization=org, kind="usage_report", state="done", finished_at=NOW
    )
    report = UsageReport.objects.create(
        organization=org, job=job, starts_at=NOW, ends_at=NOW, content="day\n"
    )
    member = Member.objects.create(organization=org, external_id="u", added_at=NOW)
    project = Project.objects.create(
        organization=org, external_id="p", name="p", added_at=NOW
    )
    ids: dict[str, object] = {
        "organization_id": org.pk,
        "inner_id": org.pk,
        "member_id": member.pk,
        "user_id": member.pk,
        "project_id": project.pk,
        "deployment_id": project.pk,
        "report_id": report.pk,
        "table": "members",
        "export_id": 1,
        "webhook_endpoint_id": 1,
        "delivery_id": 1,
        "number": 1,
    }
    decoy = WhiteLabel.objects.get(slug="decoy")
    return World(acme, org, neighbour, decoy, ids)


def operations() -> Iterator[str]:
    for path, methods in document()["paths"].items():
        for method in methods:
            yield f"{method} {path}"


def page_names() -> Iterator[str]:
    """Yield the names of our pages; allauth and Django admin protect theirs."""
    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, URLPattern):
            yield pattern.name or ""
        elif pattern.namespace != "admin":
            module = getattr(pattern.urlconf_name, "__name__", "")
            if module.endswith(".urls") and not module.startswith("allauth"):
                yield from _names(pattern)


def _names(resolver: URLResolver) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            yield f"{resolver.namespace}:{pattern.name}"


def test_every_operation_is_in_a_table() -> None:
    known = {*NAMED, *BILLED, *LABELLED, *OWNED, *OWN, *HOOKS}
    known |= {*EXPORTS, *TOKENS, *OPEN}

    assert set(operations()) == known


def test_every_page_is_in_a_table() -> None:
    known = {
        *ORGANIZATION_PAGES,
        *STAFF_PAGES,
        *KEY_PAGES,
        *ROW_PAGES,
        *SESSION_PAGES,
        *OPEN_PAGES,
    }

    assert set(page_names()) - {"api-root"} == known


@pytest.mark.parametrize(
    "route", sorted({*NAMED, *BILLED, *LABELLED, *OWNED, *OWN, *EXPORTS, *HOOKS})
)
def test_every_operation_requires_a_credential(route: str, world: World) -> None:
    world.ids["organization_id"] = 1
    assert world.call(route, None) == 401
    assert world.call(route, "ei_" + "x" * 40) == 401


@pytest.mark.parametrize("route", sorted(NAMED))
def test_an_organization_is_reached_only_with_its_keys(
    route: str, world: World
) -> None:
    scope = NAMED[route]
    key = make_key(world.acme, scope, organization=world.target)

    assert world.call(route, _without(world.acme, scope)) == 403
    assert world.call(route, make_key(world.decoy, scope)) == 404
    neighbour_key = make_key(world.acme, scope, organization=world.neighbour)
    assert world.call(route, neighbour_key) == 404
    assert world.call(route, key) not in REFUSED


@pytest.mark.parametrize("route", sorted(BILLED))
def test_costs_of_an_organization_are_read_only_with_its_keys(
    route: str, world: World
) -> None:
    key = make_key(world.acme, BILL, organization=world.target)

    assert world.call(route, _without(world.acme, BILL)) == 403
    assert world.call(route, make_key(world.decoy, BILL)) == 403
    neighbour_key = make_key(world.acme, BILL, organization=world.neighbour)
    assert world.call(route, neighbour_key) == 403
    assert world.call(route, key) == 200


@pytest.mark.parametrize("route", sorted(LABELLED | OWNED))
def test_a_white_label_is_reached_only_with_its_keys(route: str, world: World) -> None:
    scope = (LABELLED | OWNED)[route]
    assert world.acme.owner
    world.ids["organization_id"] = world.acme.owner.pk

    assert world.call(route, _without(world.acme, scope)) == 403
    assert world.call(route, make_key(world.decoy, scope)) == 404
    one = make_key(world.acme, scope, organization=world.target)
    assert world.call(route, one) == 403
    assert world.call(route, make_key(world.acme, scope)) not in REFUSED


@pytest.mark.parametrize("route", sorted(LABELLED))
def test_an_organization_of_another_white_label_is_not_found(
    route: str, world: World
) -> None:
    assert world.decoy.owner
    world.ids["organization_id"] = world.decoy.owner.pk

    assert world.call(route, make_key(world.decoy, LABELLED[route])) == 404


@pytest.mark.parametrize("route", sorted({*NAMED, *BILLED, *LABELLED} - REACH_DELETED))
def test_a_deleted_organization_is_not_found(route: str, world: World) -> None:
    scope = (NAMED | BILLED | LABELLED)[route]
    assert world.acme.owner
    delete(world.target)
    if route in LABELLED:
        world.ids["organization_id"] = world.acme.owner.pk

    assert world.call(route, make_key(world.acme, scope)) == 404


@pytest.mark.parametrize("route", sorted(OWN))
def test_routes_without_an_organization_require_their_scope(
    route: str, world: World
) -> None:
    scope = OWN[route]

    assert world.call(route, _without(world.acme, scope)) == 403
    assert world.call(route, make_key(world.acme, scope)) not in REFUSED


@pytest.mark.parametrize("name", sorted(ORGANIZATION_PAGES))
def test_organization_pages_require_a_role_in_the_white_label(
    name: str, world: World
) -> None:
    url = reverse(name, args=[world.target.pk])
    owner = make_user("owner", "operator", white_label=world.acme)
    stranger = make_user("stranger", "operator", white_label=world.decoy)
    roleless = make_user("roleless", white_label=world.acme)

    assert _page(owner, url) == 200
    assert _page(stranger, url) == 404
    assert _page(roleless, url) == 403
    assert Client().get(url).status_code == 302


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    "name", sorted({*ORGANIZATION_PAGES, *STAFF_PAGES, *KEY_PAGES, *ROW_PAGES})
)
def test_pages_require_a_login(name: str, method: str) -> None:
    response = getattr(Client(), method)(_url(name))

    assert response.status_code == 302
    assert response["Location"].startswith(f"{reverse('account_login')}?")


def _url(name: str) -> str:
    """Return a URL of a route, with some id for each variable of its path."""
    resolver, route = get_resolver(), name.rpartition(":")[2]
    if ":" in name:
        prefix, resolver = resolver.namespace_dict[name.partition(":")[0]]
        assert prefix == ""
    [(_, parameters), *_] = resolver.reverse_dict.getlist(route)[0][0]
    return reverse(name, kwargs=dict.fromkeys(parameters, 1))


def _page(user: object, url: str) -> int:
    client = Client()
    client.force_login(user)  # type: ignore[arg-type]
    return client.get(url).status_code


def _without(white_label: WhiteLabel, scope: Scope) -> str:
    return make_key(white_label, *(s for s in Scope if s is not scope))
