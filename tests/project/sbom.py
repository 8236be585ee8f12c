"""The software bill of materials: `python -m tests.project.sbom LOCK > sbom.json`.

CycloneDX's own program reads the lock file; the licenses are those that the installed
packages state. A package that is not installed here has none.
"""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

_LONGEST_LICENSE = 100  # a longer one is a text, not a name
_CLASSIFIER = "License :: OSI Approved :: "


def bill_of(lock: Path, *, is_validated: bool = True) -> dict[str, Any]:
    """Return the bill of a lock file as CycloneDX 1.6.

    It has no instant, so that it changes with the lock only. Its validation against the
    schema takes ten seconds.
    """
    command = [
        *(sys.executable, "-m", "cyclonedx_py", "requirements", str(lock)),
        *("--output-reproducible", "--output-format", "JSON"),
        "--validate" if is_validated else "--no-validate",
    ]
    run = subprocess.run(command, capture_output=True, check=True)
    bill: dict[str, Any] = json.loads(run.stdout)
    for component in bill.get("components", []):
        component.pop("description", None)  # the lines of the lock, hashes and all
        if licenses := _licenses(component["name"], component["version"]):
            component["licenses"] = licenses
    return bill


def _licenses(name: str, version: str) -> list[dict[str, Any]]:
    """Return the licenses that the installed package of this version states."""
    try:
        stated: Any = metadata(name)
    except PackageNotFoundError:
        return []
    if stated["Version"] != version:
        return []
    if expression := stated.get("License-Expression"):
        return [{"expression": expression}]
    names = [c.removeprefix(_CLASSIFIER) for c in _classifiers(stated)]
    text = (stated.get("License") or "").strip()
    names = names or ([text] if 0 < len(text) <= _LONGEST_LICENSE else [])
    return [{"license": {"name": name}} for name in names]


def _classifiers(stated: Any) -> list[str]:
    lines = stated.get_all("Classifier") or []
    return [line for line in lines if line.startswith(_CLASSIFIER)]


if __name__ == "__main__":
    json.dump(bill_of(Path(sys.argv[1])), sys.stdout, indent=2, sort_keys=True)
    print()
