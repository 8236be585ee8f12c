"""Hashing of passwords: one at a time on the machine, a short queue, then 503."""

import fcntl
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from django.contrib.auth.hashers import check_password, make_password
from django.test import Client
from pytest_django.fixtures import Settings

from config import hashing
from config.hashing import Busy, turn


@pytest.fixture(autouse=True)
def bounded(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STATE_DIR = tmp_path
    settings.PASSWORD_HASHERS = ["config.hashing.BoundedHasher"]
    monkeypatch.setattr(hashing.BoundedHasher, "iterations", 1)
    monkeypatch.setattr(hashing, "WAIT_SECONDS", 0.05)


def test_passwords_are_hashed_as_django_does() -> None:
    assert check_password("right", make_password("right"))
    assert not check_password("wrong", make_password("right"))


def test_one_thread_computes_one_waits_and_others_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hashing, "WAIT_SECONDS", 5)
    entered, end = threading.Event(), threading.Event()

    def compute() -> str:
        with turn():
            entered.set()
            end.wait(5)
        return "done"

    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(compute)
        assert entered.wait(5)
        others = [threads.submit(compute) for _ in range(3)]
        refused, waiting = wait(others, timeout=5, return_when=FIRST_EXCEPTION)
        while len(refused) < 2:
            refused, waiting = wait(others, timeout=0.05)
        end.set()
        assert first.result() == "done"
    assert all(isinstance(one.exception(), Busy) for one in refused)
    assert [one.result() for one in waiting] == ["done"]


def test_another_process_has_its_turn_first(tmp_path: Path) -> None:
    with (tmp_path / "hashing.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Busy):
            make_password("any")
    assert make_password("any")


def test_without_a_folder_hashes_are_computed(settings: Settings) -> None:
    settings.STATE_DIR = "/nonexistent"
    assert make_password("any")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/accounts/login/", {"login": "a", "password": "b"}, None),
        ("/api/v1/users/auth/_login", {"username": "a", "password": "b"}, "json"),
        ("/v1/api-login", {"username": "a", "password": "b"}, "json"),
    ],
)
def test_a_login_beyond_the_queue_is_a_503(
    tmp_path: Path, path: str, body: dict[str, str], kind: str | None
) -> None:
    options = {"content_type": "application/json"} if kind else {}
    with (tmp_path / "hashing.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        response = Client().post(path, body, **options)  # type: ignore[arg-type]
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "2"
