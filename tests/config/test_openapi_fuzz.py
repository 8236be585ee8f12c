"""Fuzz tests of the OpenAPI document over HTTP: no crash, no undocumented response."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from orgs.catalog import Scope
from orgs.models import WhiteLabel
from tests.factories import make_key, make_organization, make_white_label

pytestmark = pytest.mark.slow
# The coverage phase sends 2,000 requests in two minutes: `make fuzz` adds it.
PHASES = os.environ.get("FUZZ_PHASES", "fuzzing,stateful")
DOCUMENT = "/api/openapi.json"
# Each event is checked separately: a wrong one is in `rejected`, and the answer a 200.
CONFIG = """
[[operations]]
include-operation-id = "record_usage"
[operations.checks]
negative_data_rejection.enabled = false
"""
FUZZER = Path(sys.executable).parent / "schemathesis"


@pytest.fixture
def key(committed: None) -> str:
    white_label = make_white_label("fuzzed")
    make_organization(white_label, "org-7")
    WhiteLabel.objects.update(default_rate_limit=1_000_000)
    return make_key(white_label, *Scope)


def test_no_request_crashes_or_gets_an_undocumented_response(
    live_server: LiveServer, key: str, tmp_path: Path
) -> None:
    document = (
        tmp_path / "openapi.json"
    )  # the fuzzer stops reading a URL after ten seconds
    document.write_bytes(Client(headers={"x-api-key": key}).get(DOCUMENT).content)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    answer = subprocess.run(
        [
            FUZZER,
            f"--config-file={config}",
            "run",
            document,
            f"--url={live_server.url}",
            "--header=Authorization: Bearer " + key,
            "--checks=all",
            "--exclude-checks=positive_data_acceptance",
            f"--phases={PHASES}",
            "--max-examples=3",
            "--seed=7",
            "--suppress-health-check=all",
            "--generation-database=none",
            "--no-color",
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)},
        timeout=600,
    )

    assert answer.returncode == 0, answer.stdout[-8_000:]
