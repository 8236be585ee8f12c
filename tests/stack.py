"""The pytest plugin that gives a run its own PostgreSQL and Valkey, and removes them.

Started before pytest-django reads the settings. Each worker of pytest-xdist has its own
pair: nothing is shared, whatever a test stops, counts or flushes. The process that only
hands out tests to workers has none. PostgreSQL begins with a copy of a migrated data
folder (see `tests.support.template`). Costs 0.5 s. Should pytest be killed, both
servers end
with it; the temporary folder stays.
"""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from config.dev.servers.postgres import Postgres
from config.dev.servers.valkey import Valkey
from tests.support import template

_ENVIRONMENT = {
    "SECRET_KEY": "only-for-tests-" + "x" * 50,
    "HTTPS_ONLY": "0",
    "HASHED_STATIC": "0",
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",  # playwright's loop runs in the test thread
}
_OUTSIDE = [
    "DATABASE_URL",
    "REDIS_URL",
    "ALLOWED_HOSTS",
    "ALLOW_UNSAFE",
    "DEBUG",
    "ORGDESK_PROCESS",
    # No test must reach a real account.
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "STRIPE_API_BASE",
]


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    gc.disable()  # imports and collected tests make no garbage worth a search
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if os.environ.get("ORGDESK_TEST_STACK") == f"for {worker}":
        return  # a pytest inside a test: the servers run already
    for name in _OUTSIDE:
        os.environ.pop(name, None)
    state = Path(tempfile.mkdtemp(prefix="orgdesk-test-")).resolve()
    early_config.add_cleanup(lambda: shutil.rmtree(state, ignore_errors=True))
    own = {"STATE_DIR": str(state), "ORGDESK_TEST_STACK": f"for {worker}"}
    os.environ.update(_ENVIRONMENT, **own)
    (state / "static").mkdir()
    has_workers = getattr(early_config.known_args_namespace, "numprocesses", None)
    if worker or not has_workers:
        _start_servers(early_config, state)


def _start_servers(early_config: pytest.Config, state: Path) -> None:
    template.copy_to(state)
    for server in (Postgres(state, durable=False), Valkey(state, durable=False)):
        early_config.add_cleanup(server.stop)
        server.start()
