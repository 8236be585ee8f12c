"""What a start is refused for, by name, and what loopback installations may do."""

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from pytest_django.fixtures import Settings

from config.production import find_problems, require_safe_start
from tests import ROOT

SAFE: dict[str, Any] = {
    "SECRET_KEY": secrets.token_urlsafe(50),
    "DEBUG": False,
    "ALLOWED_HOSTS": ["desk.example.com"],
    "HTTPS_ONLY": True,
    "TRUSTED_PROXIES": 1,
    "LOOPBACK_ONLY": False,
    "HAS_MAIL_HOST": True,
    "DATABASE_URL_IS_SET": True,
    "STRIPE_SECRET_KEY": "sk_live_1",
    "PROCESS": "web",
    "ALLOW_UNSAFE": frozenset(),
}
LOOPBACK = {"ALLOWED_HOSTS": ["127.0.0.1", "localhost"], "HTTPS_ONLY": False,
            "TRUSTED_PROXIES": 0, "LOOPBACK_ONLY": True}  # fmt: skip


def change(settings: Settings, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)


@pytest.fixture(autouse=True)
def safe(settings: Settings, tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    change(settings, **SAFE, STATE_DIR=tmp_path)
    return tmp_path


def ids() -> list[str]:
    return [problem.id for problem in find_problems()]


def test_a_good_production_has_no_problem() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("id_", "changes"),
    [
        ("secret_key", {"SECRET_KEY": "abc"}),
        ("secret_key", {"SECRET_KEY": "a" * 80}),
        ("secret_key", {"SECRET_KEY": "0123456789" * 6}),
        ("secret_key", {"SECRET_KEY": "django-insecure-" + secrets.token_urlsafe(50)}),
        ("secret_key", {"SECRET_KEY": "changeme" + secrets.token_urlsafe(50)}),
        ("debug", {"DEBUG": True}),
        ("any_host", {"ALLOWED_HOSTS": ["desk.example.com", "*"]}),
        ("plain_http", {"HTTPS_ONLY": False}),
        ("proxy", {"TRUSTED_PROXIES": 0}),
        ("email", {"HAS_MAIL_HOST": False}),
        ("fake_stripe", {"STRIPE_SECRET_KEY": "sk_test_fake_1"}),
        ("fake_stripe", {"STRIPE_SECRET_KEY": "sk_test_fake", **LOOPBACK}),
        ("any_host", {**LOOPBACK, "ALLOWED_HOSTS": ["*"]}),
    ],
)
def test_an_unsafe_setting_is_one_line_that_can_be_allowed_by_name(
    settings: Settings, id_: str, changes: dict[str, Any]
) -> None:
    change(settings, **changes)
    with pytest.raises(SystemCheckError, match=f"orgdesk.{id_}"):
        call_command("check", tags=["security"], deploy=True)
    if "LOOPBACK_ONLY" not in changes:
        assert ids() == [id_]

    settings.ALLOW_UNSAFE = frozenset({id_})
    assert id_ not in ids()


@pytest.mark.parametrize("name", ["", "secret_key", "stripe/key", "demo_password"])
def test_state_that_others_can_read_is_unsafe(safe: Path, name: str) -> None:
    path = safe / name
    if name:
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    path.chmod(0o755 if path.is_dir() else 0o644)
    assert ids() == ["state_folder"]


def test_a_loopback_installation_needs_nothing(settings: Settings) -> None:
    weak: dict[str, Any] = {"SECRET_KEY": "abc", "HAS_MAIL_HOST": False, "DEBUG": True}
    change(
        settings, **LOOPBACK, **weak, STRIPE_SECRET_KEY="", DATABASE_URL_IS_SET=False
    )
    assert ids() == []
    require_safe_start()


@pytest.mark.parametrize("process", ["web", "worker", "beat"])
def test_a_start_is_refused_with_all_reasons(settings: Settings, process: str) -> None:
    change(settings, PROCESS=process, DEBUG=True, HAS_MAIL_HOST=False)
    settings.ALLOW_UNSAFE = frozenset({"database_role"})
    with pytest.raises(SystemExit) as ended:
        require_safe_start()
    lines = str(ended.value.code).splitlines()
    assert ["=debug" in lines[1], "=email" in lines[2], len(lines)] == [True, True, 3]


@pytest.mark.process
def test_another_wsgi_server_is_a_web_process_too(safe: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "ALLOWED_HOSTS": "desk.example.com",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
        "SECRET_KEY": "abc",
        "STATE_DIR": str(safe),
    }
    command = [sys.executable, "-c", "import config.wsgi"]
    ended = subprocess.run(
        command, check=False, env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "ALLOW_UNSAFE=secret_key" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_commands_start_so_that_problems_can_be_solved(settings: Settings) -> None:
    change(settings, PROCESS="command", DEBUG=True)
    require_safe_start()


def test_unknown_names_are_refused(settings: Settings) -> None:
    settings.ALLOW_UNSAFE = frozenset({"debug", "everything"})
    with pytest.raises(ImproperlyConfigured, match="everything"):
        require_safe_start()


@pytest.mark.django_db
@pytest.mark.parametrize("is_superuser", [True, False])
def test_a_superuser_of_the_database_is_refused(
    monkeypatch: pytest.MonkeyPatch, is_superuser: bool
) -> None:
    monkeypatch.setattr(connection, "close", lambda: None)
    with connection.cursor() as cursor:
        if not is_superuser:
            cursor.execute("create role ordinary nosuperuser; set local role ordinary")
    if is_superuser:
        with pytest.raises(SystemExit, match="database_role"):
            require_safe_start()
    else:
        require_safe_start()
