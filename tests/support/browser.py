"""The Chromium that is installed on the machine; nothing is downloaded."""

import os
import shutil
from typing import Any

from playwright.sync_api import expect

# The shell without windows comes first: it does the same with half of the CPU.
_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)


def executable() -> str:
    path = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, _NAMES)), ""
    )
    if not path:
        raise RuntimeError("No Chromium found: install chromium, or set CHROMIUM")
    return path


LAUNCH: dict[str, Any] = {
    "executable_path": executable(),
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ],
}
# A loaded machine is slow; a page that is right does not wait for it.
expect.set_options(timeout=30_000)
