"""Loading's memory does not grow with the file."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from metrics.models import Usage
from tests import ROOT
from tests.factories import make_organization, make_white_label

EVENTS = 100_000
_LOAD = """
import sys
from config import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
import django
django.setup()
from django.core.management import call_command
call_command("load_usage", sys.argv[2], white_label="acme")
[peak] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(peak.split()[1])
"""


# getrusage would return the parent's peak: a fork inherits it, and exec keeps it.
@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_a_hundred_thousand_events_load_in_little_memory(tmp_path: Path) -> None:
    label = make_white_label()
    for number in range(5):
        make_organization(label, f"org-{number}")
    path = tmp_path / "events.ndjson"
    _write(path)

    answer = subprocess.run(
        [sys.executable, "-c", _LOAD, connection.settings_dict["NAME"], str(path)],
        check=False,
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
    )

    assert answer.returncode == 0, answer.stderr
    summary, peak = answer.stdout.splitlines()
    assert summary == f"accepted {EVENTS} duplicates 0 rejected 0"
    assert sum(Usage.objects.values_list("quantity", flat=True)) == 3 * EVENTS
    assert int(peak) < 200_000  # KiB


def _write(path: Path) -> None:
    """Write events of the last day by the real clock, which the command uses."""
    at = (timezone.now() - timedelta(hours=20)).isoformat()
    with path.open("w") as file:
        for number in range(EVENTS):
            file.write(
                f'{{"id": "event-{number}", "organization": "org-{number % 5}",'
                f' "timestamp": "{at}", "product": "gpt",'
                ' "quantities": {"requests": 3}}\n'
            )
