"""Locked packages: hashes, known vulnerabilities, and the bill of materials."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.project import audit, sbom

LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
HASH = "--hash=sha256:" + "0" * 64
# What OSV answers about this version, shortened.
RECORDED = {
    "vulns": [
        {
            "id": "PYSEC-2024-1",
            "summary": "A flaw.",
            "affected": [
                {
                    "package": {"ecosystem": "PyPI", "name": "django"},
                    "ranges": [
                        {
                            "type": "ECOSYSTEM",
                            "events": [{"introduced": "0"}, {"fixed": "4.2.10"}],
                        }
                    ],
                }
            ],
        }
    ]
}


class _Service(BaseHTTPRequestHandler):
    """Answers as OSV does: one vulnerable version, and none of all others."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        query = json.loads(self.rfile.read(length))
        is_known = query["package"]["name"] == "django"
        body = json.dumps(RECORDED if is_known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Print nothing."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("pip_audit")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OSV_URL", f"http://127.0.0.1:{server.server_port}/v1/query")
    yield
    server.shutdown()
    server.server_close()


def lock_of(folder: Path, *pins: str) -> Path:
    lock = folder / "fixture.lock"
    lock.write_text("".join(f"{pin} {HASH}\n" for pin in pins))
    return lock


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_package_is_pinned_with_hashes(lock: Path) -> None:
    text = lock.read_text().replace("\\\n", " ")
    pins = [
        line for line in text.splitlines() if line and not line.startswith((" ", "#"))
    ]

    assert pins
    assert not [
        pin for pin in pins if not re.match(r"[\w.\[\],-]+==\S+ .*--hash=", pin)
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("service")
def test_a_vulnerable_pin_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = lock_of(tmp_path, "attrs==25.1.0", "django==4.2.1")

    assert audit.main([str(lock)]) == audit.Exit.VULNERABLE
    assert "PYSEC-2024-1 (fixed in 4.2.10)" in capsys.readouterr().out


@pytest.mark.slow
def test_what_could_not_be_checked_is_not_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OSV_URL", "http://127.0.0.1:9/v1/query")

    exit_code = audit.main([str(lock_of(tmp_path, "attrs==25.1.0"))])

    assert exit_code == audit.Exit.NOT_CHECKED
    assert "NOT CHECKED" in capsys.readouterr().out


def test_a_package_that_was_skipped_is_not_clean() -> None:
    packages: list[dict[str, Any]] = [
        {"name": "a", "version": "1", "vulns": []},
        {"name": "b", "skip_reason": "b is not in the service"},
    ]

    assert audit._read(Path("x.lock"), packages).exit == audit.Exit.NOT_CHECKED
    assert audit._read(Path("x.lock"), []).exit == audit.Exit.NOT_CHECKED
    assert audit._read(Path("x.lock"), packages[:1]).exit == audit.Exit.CLEAN


@pytest.mark.slow
def test_the_bill_has_every_package_with_its_license(tmp_path: Path) -> None:
    import django  # noqa: PLC0415

    version = django.get_version()
    lock = lock_of(tmp_path, f"django=={version}", "no-such-package==1.0")

    bill = sbom.bill_of(lock, is_validated=False)

    licenses = {each["name"]: each.get("licenses") for each in bill["components"]}
    assert bill["bomFormat"] == "CycloneDX"
    assert licenses["no-such-package"] is None
    assert licenses["django"]
