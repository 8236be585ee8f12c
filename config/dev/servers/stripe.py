"""The fake Stripe of a state folder, used without STRIPE_SECRET_KEY and DATABASE_URL.

Its port, key, and webhook secret stay the same from run to run, so that links to its
pages and webhooks in delivery survive a restart.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from config.dev.servers import logs, process

_BASE_DIR = Path(__file__).resolve().parents[3]
KEY_START = "sk_test_fake_"


class FakeStripe:
    """A process on a port of 127.0.0.1 that sends webhooks to our web process."""

    name = "the fake Stripe"

    def __init__(self, state: Path, web_port: int, web_host: str) -> None:
        self.folder = state / "stripe"
        self.log = state / "logs" / "stripe.log"
        self.webhook = f"http://127.0.0.1:{web_port}/webhooks/stripe/"
        self.web_host = web_host  # one that ALLOWED_HOSTS allows
        self.log_start = 0
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The base URL of its API."""
        return f"http://127.0.0.1:{self.port}"

    def set_environment(self) -> None:
        """Set the variables that every process needs, before the first one starts."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.port = _port(self.folder / "port")
        os.environ["STRIPE_SECRET_KEY"] = _secret(self.folder / "key", KEY_START)
        os.environ["STRIPE_API_BASE"] = self.url
        if not os.environ.get("STRIPE_WEBHOOK_SECRET"):
            secret = _secret(self.folder / "webhook_secret", "whsec_")
            os.environ["STRIPE_WEBHOOK_SECRET"] = secret

    def start(self, pause: process.Pause = time.sleep) -> None:
        """Start without waiting: it answers long before Django is imported."""
        module = ["-m", "config.dev.fakestripe", "--port", str(self.port)]
        state = ["--state", str(self.folder / "stripe.sqlite")]
        webhook = ["--webhook", self.webhook, "--webhook-host", self.web_host]
        with logs.open_log(self.log) as log:
            self.log_start = log.tell()
            self.process = process.spawn(
                [sys.executable, *module, *state, *webhook],
                log=log,
                env=dict(os.environ),
                cwd=_BASE_DIR,
            )

    def stop(self) -> None:
        """Stop the process and wait for its end."""
        if self.process:
            process.end(self.process, [(signal.SIGTERM, 3.0)])


def _port(file: Path) -> int:
    """Return the port of the last run if it is free, else any free port."""
    last = file.read_text().strip() if file.exists() else ""
    for candidate in (int(last) if last.isdecimal() else 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except (OSError, OverflowError):
                continue
            port: int = probe.getsockname()[1]
        file.write_text(str(port))
        return port
    raise process.StartError("127.0.0.1 has no free port for the fake Stripe")


def _secret(file: Path, start: str) -> str:
    """Return the secret in a file; the first run makes it, with mode 0600."""
    if not file.exists():
        fresh = file.with_suffix(".new")
        fresh.touch(0o600)
        fresh.write_text(f"{start}{secrets.token_hex(24)}")
        fresh.replace(file)
    return file.read_text().strip()
