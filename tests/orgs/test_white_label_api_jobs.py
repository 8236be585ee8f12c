"""Contract A: jobs, usage reports and compute time."""

import csv
from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from metrics.models import UsageReport
from orgs.commands import jobs
from orgs.models import Job, Organization, WhiteLabel
from orgs.tasks import run_job, sweep_jobs
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    make_white_label,
    record,
)
from tests.support.snapshots import snapshot
from tests.support.white_label_api import WhiteLabelClient, of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
NOVEMBER = "startDate=2026-11-01T00:00:00Z&endDate=2026-12-01T00:00:00Z"


@pytest.fixture
@snapshot
def client(acme: WhiteLabel, org: Organization) -> WhiteLabelClient:
    """Client of a white label whose org-7 has usage on the 21st.

    It has 5 requests, 70 CPU and 20 GPU seconds; org-9 has much more.
    """
    make_organization(acme, "org-9", members=[{"external_id": "m"}])
    make_rate(acme, "2")
    quantities = {"requests": 5, "cpu_seconds": 70, "gpu_seconds": 20}
    loud = {"cpu_seconds": 9_000}
    decoy = event("decoy", organization="org-9", quantities=loud)
    record(acme, [event(quantities=quantities), decoy])
    return WhiteLabelClient(acme)


# --- jobs ---------------------------------------------------------------------------


def test_a_job_whose_worker_died_is_run_again_after_its_lease(
    client: WhiteLabelClient, org: Organization
) -> None:
    id_ = client.ok("DELETE", of(org))["id"]
    Job.objects.filter(pk=id_).update(
        state="running", attempts=1, leased_until=NOW + timedelta(minutes=1)
    )
    run_job(id_)
    assert Job.objects.get(pk=id_).state == "running"

    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        run_job(id_)

    job = Job.objects.get(pk=id_)
    assert (job.state, job.attempts) == ("done", 2)


def test_a_failing_job_is_tried_five_times(
    client: WhiteLabelClient, org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(job: Job) -> None:
        Organization.objects.update(name="half done")
        raise RuntimeError(job.pk)

    monkeypatch.setitem(jobs._HANDLERS, Job.Kind.DELETE_ORGANIZATION, fail)
    id_ = client.ok("DELETE", of(org))["id"]
    for hours in range(9):
        with time_machine.travel(NOW + timedelta(hours=hours), tick=False):
            run_job(id_)

    job = Job.objects.get(pk=id_)
    assert (job.state, job.attempts) == ("failed", 5)
    assert "5" in job.error
    assert not Organization.objects.filter(name="half done").exists()
    assert client.ok("GET", of(org))


def test_the_sweep_enqueues_overdue_and_abandoned_jobs(
    client: WhiteLabelClient, org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueued: list[int] = []
    monkeypatch.setattr("orgs.tasks.enqueue", lambda task, id_: enqueued.append(id_))
    new, old, dead, done, spent = Job.objects.bulk_create(
        Job(organization=org, kind="delete_organization", **fields)
        for fields in (
            {"sweep_after": NOW + timedelta(minutes=1)},
            {"sweep_after": NOW},
            {"state": "running", "attempts": 1, "leased_until": NOW},
            {"state": "done", "finished_at": NOW},
            {"state": "running", "attempts": 5, "leased_until": NOW},
        )
    )

    sweep_jobs()

    assert enqueued == [old.pk, dead.pk, spent.pk]
    run_job(spent.pk)  # its attempts are exhausted: it only fails
    spent.refresh_from_db()
    assert (spent.state, spent.finished_at) == ("failed", NOW)
    assert {new.pk, done.pk}.isdisjoint(enqueued)


def test_jobs_are_listed_newest_first(
    client: WhiteLabelClient, org: Organization
) -> None:
    report = client.ok("POST", of(org, f"/usage/reports?{NOVEMBER}"))["id"]
    deletion = client.ok("DELETE", of(org))["id"]
    run_job(report)

    listed = client.ok("GET", of(org, "/jobs"))
    second = client.ok("GET", of(org, "/jobs?limit=1&offset=1"))

    assert [job["id"] for job in listed["jobs"]] == [deletion, report]
    assert [job["id"] for job in second["jobs"]] == [report]
    assert listed["totalJobCount"] == second["totalJobCount"] == 2
    job = second["jobs"][0]
    assert (job["categoryKey"], job["finishedSuccessful"]) == ("usage_report", True)
    assert job["finished"] == "2026-11-21T12:00:00Z"


# --- compute time and reports -------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "cpu"),
    [
        ("2026-11-21T00:00:00+00:00", "2026-11-22T00:00:00+00:00", 70),
        ("2026-11-21T00%3A00%3A00.000Z", "2026-11-22T00%3A00%3A00.000Z", 70),
        ("2026-11-21", "2026-11-22", 70),
        ("2026-11-20", "2026-11-21", 0),
        ("2026-11-22", "2026-11-23", 0),
        ("2026-11-21", "2026-11-21", 0),
        ("2000-01-01", "2199-12-31", 70),
    ],
)
def test_compute_time_is_half_open(
    client: WhiteLabelClient, org: Organization, start: str, end: str, cpu: int
) -> None:
    query = f"?startDate={start}&endDate={end}&x=1"

    used = client.ok("GET", of(org, f"/usage/computeTime{query}"))

    assert used["cpuComputeTime"] == cpu
    assert used["totalComputeTime"] == (1.5 if cpu else 0)


@pytest.mark.parametrize(
    "query",
    [
        "", "startDate=2026-11-01", "startDate=2026-11-02&endDate=2026-11-01",
        "startDate=soon&endDate=2026-11-01", "startDate=2026-11-01&endDate=%00",
        "startDate=2026-11-01%00&endDate=2026-11-02",
        "startDate=1999-01-01&endDate=2026-11-01",
        "startDate=2026-11-01&endDate=9999-12-31",
    ],
)  # fmt: skip
def test_an_invalid_range_is_a_400(
    client: WhiteLabelClient, org: Organization, query: str
) -> None:
    for method, path in (("GET", "computeTime"), ("POST", "reports")):
        status, error = client.refused(method, of(org, f"/usage/{path}?{query}"))
        assert (status, bool(error)) == (400, True)
    assert not Job.objects.exists()


def test_a_report_is_csv_of_days_and_meters(
    client: WhiteLabelClient, org: Organization
) -> None:
    job = client.ok("POST", of(org, f"/usage/reports?{NOVEMBER}"))["id"]
    [waiting] = client.ok("GET", of(org, "/usage/reports"))["reports"]
    download = of(org, f"/usage/reports/{waiting['id']}/download")
    assert (waiting["jobFinished"], waiting["downloadLink"]) == (False, None)
    assert client.refused("GET", download)[0] == 409

    run_job(job)
    run_job(job)

    made = client.ok("GET", of(org, f"/usage/reports/{waiting['id']}"))["report"]
    assert (made["jobFinished"], made["jobFinishedSuccessful"]) == (True, True)
    link = made["downloadLink"]
    assert Client().get(f"{link}x").status_code == 401
    assert Client().get(link.partition("?")[0]).status_code == 401
    with time_machine.travel(NOW + timedelta(minutes=61)):
        assert Client().get(link).status_code == 401
    response = Client().get(link)  # as a browser does: the link is signed
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment; filename=")
    assert list(csv.reader(response.text.splitlines())) == [
        ["date", "meter", "unit", "quantity"],
        ["2026-11-21", "requests", "count", "5"],
        ["2026-11-21", "cpu_seconds", "seconds", "70"],
        ["2026-11-21", "gpu_seconds", "seconds", "20"],
    ]


def test_a_report_uses_the_days_of_the_white_label() -> None:
    label = make_white_label("nepal", time_zone="Asia/Kathmandu")
    org = make_organization(label)
    client = WhiteLabelClient(label)
    query = "startDate=2026-11-20&endDate=2026-11-21T00:00:00%2B05:45"
    early, late = "2026-11-19T18:14:59Z", "2026-11-19T18:15:00Z"
    record(label, [event("a", timestamp=early), event("b", timestamp=late)])

    run_job(client.ok("POST", of(org, f"/usage/reports?{query}"))["id"])

    report = UsageReport.objects.get()
    assert report.starts_at.isoformat() == "2026-11-19T18:15:00+00:00"
    assert report.content is not None
    assert report.content.splitlines()[1:] == ["2026-11-20,requests,count,5"]


def test_a_report_deleted_before_its_creation_stays_deleted(
    client: WhiteLabelClient, org: Organization
) -> None:
    job = client.ok("POST", of(org, f"/usage/reports?{NOVEMBER}"))["id"]
    report = UsageReport.objects.get(job=job)
    client.ok("DELETE", of(org, f"/usage/reports/{report.pk}"))

    run_job(job)

    assert not UsageReport.objects.exists()
    assert client.refused("DELETE", of(org, f"/usage/reports/{report.pk}"))[0] == 404


def test_a_report_of_another_organization_is_not_found(
    client: WhiteLabelClient, acme: WhiteLabel, org: Organization
) -> None:
    client.ok("POST", of(org, f"/usage/reports?{NOVEMBER}"))
    report, sibling = UsageReport.objects.get(), make_organization(acme, "org-5")

    for rest in (str(report.pk), f"{report.pk}/download", "x", "%00", str(2**63)):
        path = of(sibling, f"/usage/reports/{rest}")
        assert client.refused("GET", path)[0] == 404
    assert client.ok("GET", of(sibling, "/usage/reports"))["totalCount"] == 0
