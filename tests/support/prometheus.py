"""A real Prometheus that receives samples by remote write."""

import json
import os
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.processes import eventually, free_port

# Backfills send samples that are older than those that it has.
_CONFIG = "storage: {tsdb: {out_of_order_time_window: %s}}\n"


class Prometheus:
    """The running server: where to write to, and what PromQL answers."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.write_url = f"{self.address}/api/v1/write"

    def query(self, promql: str, at: datetime) -> dict[str, float]:
        """Return the value of each series at an instant, by its labels as text."""
        parameters = urllib.parse.urlencode(
            {"query": promql, "time": at.timestamp() + 1}
        )
        rows = self._get(f"/api/v1/query?{parameters}")["result"]
        return {_name(row["metric"]): float(row["value"][1]) for row in rows}

    def value(self, promql: str, at: datetime) -> float | None:
        """Return the value of the only series at an instant; None without one."""
        values = list(self.query(promql, at).values())
        assert len(values) <= 1, values
        return values[0] if values else None

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=5) as response:
            return json.load(response)["data"]

    def is_ready(self) -> bool:
        """Return whether it answers queries."""
        try:
            with urllib.request.urlopen(f"{self.address}/-/ready", timeout=1):
                return True
        except OSError:
            return False


def _name(labels: dict[str, str]) -> str:
    hidden = {"organization", "organization_id", "__name__"}
    shown = {name: value for name, value in labels.items() if name not in hidden}
    return ",".join(f"{name}={value}" for name, value in sorted(shown.items()))


@contextmanager
def running_prometheus(*, window: str = "400d") -> Iterator[Prometheus]:
    """Start Prometheus with empty storage, and stop it.

    It takes samples that are older than those it has within the window.
    """
    program = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
    if not program:
        raise RuntimeError("No Prometheus found: install it, or set PROMETHEUS")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "prometheus.yml"
        config.write_text(_CONFIG % window)
        server = Prometheus(port := free_port())
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/data",
                "--storage.tsdb.retention.time=10y",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-remote-write-receiver",
                "--log.level=error",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert eventually(server.is_ready, seconds=30)
            yield server
        finally:
            process.kill()
            process.wait()
