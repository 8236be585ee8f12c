"""Contract A with its published Python client, over a real socket."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from pytest_django.live_server_helper import LiveServer

from orgs.access import issue_token
from orgs.models import Organization, WhiteLabel
from orgs.tasks import run_job
from tests.factories import (
    delete,
    event,
    make_key,
    make_organization,
    make_user,
    make_white_label,
    record,
)
from tests.support.white_label_api import Ei, other_sessions, published_client

if TYPE_CHECKING:
    import edgeimpulse_api

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("committed", "frozen")]
READ, WRITE = "organizations:read", "organizations:write"


@pytest.fixture(scope="module")
def ei() -> Any:
    return published_client()


@pytest.fixture
def label() -> WhiteLabel:
    make_organization(make_white_label("decoy"), "org-7")
    return make_white_label("acme")


@pytest.fixture
def org(label: WhiteLabel) -> Organization:
    make_organization(label, "org-9")
    return make_organization(label, "org-7", contract_started_on="2026-11-01")


@pytest.fixture
def host(live_server: LiveServer) -> Iterator[str]:
    """Yield the server's URL; at the end, wait for its threads to close connections."""
    yield f"{live_server.url}/v1"
    for _ in range(100):
        if not other_sessions():
            break
        time.sleep(0.02)


@pytest.fixture
def api(host: str, label: WhiteLabel) -> Iterator["edgeimpulse_api.OrganizationsApi"]:
    key = make_key(label, READ, WRITE)
    with Ei(host, api_key={"ApiKeyAuthentication": key}) as api:
        yield api


def test_the_response_passes_the_strict_model_of_the_package(
    ei: Any, host: str, label: WhiteLabel, org: Organization
) -> None:
    record(label, [event(quantities={"cpu_seconds": 70, "gpu_seconds": 11})])
    path = f"api/organizations/{label.owner_id}/whitelabel/organizations/{org.pk}"
    key = make_key(label, READ)
    headers = {"x-api-key": key, "content-type": "application/json"}
    request = Request(f"{host}/{path}", headers=headers)
    with urlopen(request) as response:
        body = json.load(response)

    parsed = ei.AdminOrganizationInfoResponse.parse_obj(body)

    assert parsed.cpu_compute_time == 70
    assert parsed.total_compute_time == (70 + 11) / 60
    assert len(parsed.daily_metrics) == 365
    assert parsed.daily_metrics[-1].var_date == datetime(2026, 11, 21, tzinfo=UTC)
    assert parsed.daily_metrics[-1].compute_time_seconds == 70 + 3 * 11


def test_the_client_reads_what_was_recorded(
    api: "edgeimpulse_api.OrganizationsApi", label: WhiteLabel, org: Organization
) -> None:
    record(label, [event(quantities={"cpu_seconds": 70, "storage_bytes_added": 5})])
    record(label, [event("decoy", organization="org-9")])

    info = api.whitelabel_admin_get_organization_info(label.owner_id, org.pk)

    assert (info.success, info.billable) == (True, True)
    assert (info.cpu_compute_time, info.gpu_compute_time) == (70, 0)
    assert info.total_storage == 5
    assert info.compute_time_current_contract_since == "2026-11-01T00:00:00Z"
    assert info.daily_metrics[-1].total_storage_size_bytes == 5
    assert info.entitlement_limits.number_of_users is None


def test_include_deleted_is_accepted_as_the_client_spells_it(
    ei: Any,
    api: "edgeimpulse_api.OrganizationsApi",
    label: WhiteLabel,
    org: Organization,
) -> None:
    delete(org)
    ask = api.whitelabel_admin_get_organization_info

    with pytest.raises(ei.exceptions.NotFoundException):
        ask(label.owner_id, org.pk)
    with pytest.raises(ei.exceptions.NotFoundException):
        ask(label.owner_id, org.pk, include_deleted=False)
    assert ask(label.owner_id, org.pk, include_deleted=True).success


def test_a_host_with_a_trailing_slash_works(
    host: str, label: WhiteLabel, org: Organization
) -> None:
    key = {"ApiKeyAuthentication": make_key(label, READ)}
    with Ei(f"{host}/", api_key=key) as api:
        assert api.whitelabel_admin_get_organization_info(
            label.owner_id, org.pk
        ).success


def test_bearer_and_login_token_are_credentials(
    host: str, label: WhiteLabel, org: Organization
) -> None:
    staff = make_user("ann", "operator", white_label=label)
    bearer = Ei(host)
    bearer.configuration.access_token = make_key(label, READ)
    token = Ei(host, api_key={"JWTHttpHeaderAuthentication": issue_token(staff)})
    cookie = Ei(host, api_key={"JWTAuthentication": issue_token(staff)})

    for credential in (bearer, token, cookie):
        with credential as api:
            assert api.whitelabel_admin_get_organizations(label.owner_id).total == 3


def test_each_error_raises_its_exception_with_a_sentence(
    ei: Any, host: str, label: WhiteLabel, org: Organization
) -> None:
    narrow = make_key(label, READ, organization=org)
    cases = [
        ("ei_wrong", org.pk, ei.exceptions.UnauthorizedException),
        (make_key(label, "usage:write"), org.pk, ei.exceptions.ForbiddenException),
        (narrow, org.pk, ei.exceptions.ForbiddenException),
        (make_key(label, READ), org.pk + 999, ei.exceptions.NotFoundException),
    ]
    for key, inner, expected in cases:
        with (
            Ei(host, api_key={"ApiKeyAuthentication": key}) as api,
            pytest.raises(expected) as caught,
        ):
            api.whitelabel_admin_get_organization_info(label.owner_id, inner)
        body = json.loads(caught.value.body)
        assert body["success"] is False
        assert body["error"].endswith(".")


def test_a_created_key_has_the_format_of_the_client(
    ei: Any, api: "edgeimpulse_api.OrganizationsApi", label: WhiteLabel
) -> None:
    body = ei.WhitelabelAdminCreateOrganizationRequest(
        organizationName="Seven", adminEmail="ann@example.com"
    )

    made = api.whitelabel_admin_create_organization(label.owner_id, body)

    assert made.api_key.startswith("ei_")
    assert len(made.api_key) >= 32
    organization = Organization.objects.get(pk=made.id, white_label=label)
    assert (organization.name, organization.members.get().role) == ("Seven", "admin")


def test_the_client_changes_only_the_given_fields(
    ei: Any,
    api: "edgeimpulse_api.OrganizationsApi",
    label: WhiteLabel,
    org: Organization,
) -> None:
    limits = ei.EntitlementLimits(totalStorage=5000, numberOfUsers=7)
    change = ei.AdminUpdateOrganizationRequest(
        readme="hello",
        entitlementLimits=limits,
        contractStartDate=datetime(2026, 11, 10, tzinfo=UTC),
    )

    api.whitelabel_admin_update_organization(label.owner_id, org.pk, change)

    org.refresh_from_db()
    assert (org.name, org.readme, str(org.contract_started_on)) == (
        "Org-7", "hello", "2026-11-10",
    )  # fmt: skip
    assert (org.entitlements.storage_bytes, org.entitlements.users) == (5000, 7)


def test_dates_with_an_unescaped_plus_are_accepted(
    api: "edgeimpulse_api.OrganizationsApi", label: WhiteLabel, org: Organization
) -> None:
    record(label, [event(quantities={"cpu_seconds": 70, "gpu_seconds": 20})])
    start, end = datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)

    used = api.whitelabel_admin_get_organization_compute_time_usage(
        label.owner_id, org.pk, start, end
    )

    assert (used.cpu_compute_time, used.gpu_compute_time) == (70, 20)
    assert used.total_compute_time == 1.5


def test_a_report_is_requested_created_listed_and_deleted(
    ei: Any,
    api: "edgeimpulse_api.OrganizationsApi",
    label: WhiteLabel,
    org: Organization,
) -> None:
    day = datetime(2026, 11, 21, tzinfo=UTC)
    job = api.whitelabel_admin_create_organization_usage_report(
        label.owner_id, org.pk, day, day
    )
    run_job(job.id)

    listed = api.whitelabel_admin_get_organization_usage_reports(label.owner_id, org.pk)

    [report] = listed.reports
    assert (listed.total_count, report.job_id) == (1, job.id)
    assert report.job_finished_successful
    assert report.report_start_date == "2026-11-21T00:00:00Z"
    api.whitelabel_admin_delete_organization_usage_report(
        label.owner_id, org.pk, report.id
    )
    with pytest.raises(ei.exceptions.NotFoundException):
        api.whitelabel_admin_get_organization_usage_report(
            label.owner_id, org.pk, report.id
        )


def test_a_deleted_organization_is_restored(
    ei: Any,
    api: "edgeimpulse_api.OrganizationsApi",
    label: WhiteLabel,
    org: Organization,
) -> None:
    job = api.whitelabel_admin_delete_organization(label.owner_id, org.pk)
    run_job(job.id)

    jobs = api.whitelabel_admin_get_organization_jobs(label.owner_id, org.pk)

    assert [(one.id, one.finished_successful) for one in jobs.jobs] == [(job.id, True)]
    with pytest.raises(ei.exceptions.NotFoundException):
        api.whitelabel_admin_get_organization_info(label.owner_id, org.pk)
    api.whitelabel_admin_restore_organization(label.owner_id, org.pk)
    assert api.whitelabel_admin_get_organization_info(label.owner_id, org.pk).success


def test_the_client_reads_users_and_projects_and_creates_a_project(
    ei: Any,
    api: "edgeimpulse_api.OrganizationsApi",
    label: WhiteLabel,
    org: Organization,
) -> None:
    member = org.members.create(external_id="ann", email="ann@x.example", role="admin")
    owner = label.owner_id
    body = ei.AdminCreateProjectRequest(projectName="Vision", ownerId=member.pk)

    project = api.whitelabel_admin_create_project(owner, body)
    user = api.whitelabel_admin_get_user(owner, member.pk)
    metrics = api.whitelabel_admin_get_user_metrics(owner, member.pk)
    read = api.whitelabel_admin_get_project(owner, project.id)

    assert project.api_key.startswith("ei_")
    ei.AdminGetUserResponse.parse_obj(user.to_dict())  # strictly, unlike the client
    assert (user.user.username, user.user.email) == ("ann", "ann@x.example")
    assert metrics.metrics == {"organizations": 1, "projects": 1}
    ei.AdminProjectInfoResponse.parse_obj(read.to_dict())
    assert (read.project.name, read.project.owner) == ("Vision", "Org-7")
    assert api.whitelabel_admin_get_user_jobs(owner, member.pk).total_job_count == 0
    jobs = api.whitelabel_admin_get_project_jobs(owner, project.id)
    assert jobs.jobs == []
