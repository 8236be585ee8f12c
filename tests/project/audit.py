"""Known vulnerabilities of the locked packages: `python -m tests.project.audit LOCK…`.

pip-audit asks OSV about each package of a lock file; `OSV_URL` names another service.
It also succeeds when it could ask about nothing, so its answer is read here: a package
that was not checked is never reported as one without vulnerabilities.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

_SECONDS = 15  # to wait for an answer of the service
_OSV = "https://api.osv.dev/v1/query"


class Exit(IntEnum):
    """The result of a run, as its exit code."""

    CLEAN = 0
    VULNERABLE = 1
    NOT_CHECKED = 3  # 2 is a wrong command line


@dataclass(frozen=True)
class Result:
    """What is known of the packages of one lock file."""

    lock: Path
    checked: int = 0
    vulnerabilities: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def exit(self) -> Exit:
        if self.vulnerabilities:
            return Exit.VULNERABLE
        return Exit.NOT_CHECKED if self.unchecked or not self.checked else Exit.CLEAN

    def lines(self) -> list[str]:
        """Return a line for the file, and one for each problem."""
        head = {
            Exit.CLEAN: f"{self.checked} packages, no known vulnerability",
            Exit.VULNERABLE: f"{len(self.vulnerabilities)} known vulnerabilities",
            Exit.NOT_CHECKED: "NOT CHECKED",
        }[self.exit]
        problems = [*self.vulnerabilities, *self.unchecked]
        return [f"{self.lock}: {head}", *(f"  {problem}" for problem in problems)]


def audit(lock: Path) -> Result:
    """Return what the vulnerability service knows of the packages of a lock file."""
    run = subprocess.run(_command(lock), capture_output=True, text=True, check=False)
    try:
        packages = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError):
        return Result(lock, unchecked=[_last_line(run.stderr)])
    return _read(lock, packages)


def _command(lock: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pip_audit", "--requirement", str(lock)),
        *("--require-hashes", "--disable-pip", "--progress-spinner", "off"),
        *("--vulnerability-service", "osv", "--timeout", str(_SECONDS)),
        *("--osv-url", os.environ.get("OSV_URL", _OSV), "--format", "json"),
    ]


def _read(lock: Path, packages: list[dict[str, Any]]) -> Result:
    known = [package for package in packages if "skip_reason" not in package]
    return Result(
        lock,
        checked=len(known),
        vulnerabilities=[
            f"{package['name']} {package['version']}: {problem['id']}"
            f" (fixed in {', '.join(problem['fix_versions']) or 'no release'})"
            for package in known
            for problem in package["vulns"]
        ],
        unchecked=[p["skip_reason"] for p in packages if "skip_reason" in p],
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "pip-audit gave no answer."


def main(locks: list[str]) -> int:
    """Print the results of lock files; return the worst exit code."""
    results = [audit(Path(lock)) for lock in locks]
    for result in results:
        print("\n".join(result.lines()))
    exits = {result.exit for result in results}
    return next((code for code in _WORST if code in exits), Exit.NOT_CHECKED)


_WORST = (Exit.VULNERABLE, Exit.NOT_CHECKED, Exit.CLEAN)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
