"""Jobs of contract A through the broker and a worker."""

import time

import pytest
from pghistory.models import Context

from orgs.models import Job
from tests.factories import make_organization, make_white_label
from tests.support.celery_worker import running_worker
from tests.support.white_label_api import WhiteLabelClient, of


@pytest.mark.usefixtures("committed")
def test_a_worker_executes_a_deletion_soon_after_its_request() -> None:
    label = make_white_label("acme")
    org, other = make_organization(label, "org-7"), make_organization(label, "org-9")
    client = WhiteLabelClient(label)

    with running_worker():
        id_ = client.ok("DELETE", of(org))["id"]
        for _ in range(200):
            if Job.objects.get(pk=id_).finished_at:
                break
            time.sleep(0.05)

    assert client.refused("GET", of(org))[0] == 404
    assert client.ok("GET", of(other))
    assert client.ok("GET", of(org, "/jobs"))["jobs"][0]["finishedSuccessful"] is True
    last = Context.objects.filter(metadata__task="orgs.tasks.run_job").latest("pk")
    assert last.metadata["asked_by"].startswith("API key test (")
