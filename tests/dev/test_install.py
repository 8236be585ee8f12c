"""Installation into `.venv`: the next run completes an interrupted one."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from config.dev.servers.install import Environment, InstallError, explain


class FakeEnvironment(Environment):
    """An environment whose installers write one file each, or fail at a given step."""

    def __init__(self, project: Path) -> None:
        super().__init__(project)
        self.commands: list[str] = []
        self.failure: BaseException | None = None
        self.fails_at = ""

    def _run(self, command: list[str]) -> None:
        name = "venv" if "venv" in command else Path(command[-1]).stem
        self.commands.append(name)
        if name == "venv":
            shutil.rmtree(self.path, ignore_errors=True)
            self.python.parent.mkdir(parents=True)
            self.python.symlink_to(sys.executable)
        if self.failure and name == self.fails_at:
            raise self.failure
        if name != "venv":
            (self.path / "lib/python3.11/site-packages" / name).mkdir(parents=True)


@pytest.fixture
def environment(tmp_path: Path) -> FakeEnvironment:
    (tmp_path / "requirements").mkdir()
    for name in ("uv", "runtime", "dev", "bench", "audit"):
        (tmp_path / f"requirements/{name}.lock").write_text(f"{name}==1\n")
    return FakeEnvironment(tmp_path)


def test_first_installation_builds_everything_once(
    environment: FakeEnvironment,
) -> None:
    environment.install("runtime")
    environment.install("runtime")
    assert environment.commands == ["venv", "uv", "runtime"]
    assert environment.has("runtime")
    assert not environment.has("dev")


def test_dev_packages_contain_the_runtime(environment: FakeEnvironment) -> None:
    environment.install("dev")
    assert environment.has("runtime")


def test_changed_lock_is_installed_into_the_same_environment(
    environment: FakeEnvironment,
) -> None:
    environment.install("uv")
    environment.install("runtime")
    (environment.project / "requirements/dev.lock").write_text("dev==2\n")
    environment.install("dev")
    assert environment.commands == ["venv", "uv", "runtime", "dev"]


@pytest.mark.parametrize("moment", ["venv", "uv", "runtime"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), InstallError("disk full")])
def test_interrupted_installation_is_repeated(
    environment: FakeEnvironment, moment: str, failure: BaseException
) -> None:
    environment.failure, environment.fails_at = failure, moment
    with pytest.raises(type(failure)):
        environment.install("runtime")
    assert not environment.has("runtime")
    environment.failure = None
    environment.install("runtime")
    assert environment.has("runtime")


def test_killed_upgrade_builds_the_environment_again(
    environment: FakeEnvironment,
) -> None:
    environment.install("runtime")
    environment.failure, environment.fails_at = KeyboardInterrupt(), "dev"
    with pytest.raises(KeyboardInterrupt):
        environment.install("dev")
    environment.commands.clear()
    environment.install("runtime")
    assert environment.commands == ["venv", "uv", "runtime"]


def test_failure_before_any_change_leaves_the_installation_intact(
    environment: FakeEnvironment,
) -> None:
    environment.install("runtime")
    environment.failure, environment.fails_at = InstallError("no network"), "dev"
    with pytest.raises(InstallError):
        environment.install("dev")
    assert environment.has("runtime")


@pytest.mark.parametrize("damage", ["package", "python", "record"])
def test_damaged_environment_is_built_again(
    environment: FakeEnvironment, damage: str
) -> None:
    environment.install("runtime")
    match damage:
        case "package":
            (environment.path / "lib/python3.11/site-packages/uv").rmdir()
        case "python":
            environment.python.unlink()
            environment.python.symlink_to("/nowhere/python3")
        case "record":
            environment.record_file.write_text("")
    environment.commands.clear()
    environment.install("runtime")
    assert environment.commands == ["venv", "uv", "runtime"]


def test_link_to_an_environment_is_never_cleared(environment: FakeEnvironment) -> None:
    shared = environment.project / "shared"
    shared.mkdir()
    (shared / "precious").touch()
    environment.path.symlink_to(shared)
    with pytest.raises(InstallError, match="is a link"):
        environment.install("runtime")
    assert (shared / "precious").exists()


def test_read_only_project_is_reported_in_one_sentence(
    environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(InstallError) as error:
        environment.install("runtime")
    assert str(error.value) == (
        f"{environment.project} is not writable: clone Orgdesk into a folder of your"
        " own, or become the user who owns it."
    )


@pytest.mark.parametrize(
    ("output", "start"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("error: failed to write (os error 28)", "The disk is full"),
        (
            (
                "error: Failed to fetch: `x`\n  Caused by: invalid peer certificate:"
                " UnknownIssuer"
            ),
            "The certificate of the package index is not trusted",
        ),
        (
            "error: Failed to fetch: `x`\n  Caused by: dns error",
            "The package index cannot be reached",
        ),
        (
            (
                "WARNING: Retrying after connection broken by 'NewConnectionError("
                "Temporary failure in name resolution)'"
            ),
            "The package index cannot be reached",
        ),
        ("error: Permission denied (os error 13)", "A folder is not writable"),
    ],
)
def test_known_failure_is_reported_in_one_sentence(output: str, start: str) -> None:
    message = explain(output)
    assert message.startswith(start)
    assert message.endswith("then run the same command again.")
    assert "\n" not in message


def test_unknown_failure_shows_the_whole_output() -> None:
    assert explain("a\nb\n") == "a\nb\nThe packages could not be installed: see above."


def test_record_is_written_atomically(environment: FakeEnvironment) -> None:
    environment.install("runtime")
    record = json.loads(environment.record_file.read_text())
    assert set(record["locks"]) == {"uv", "runtime"}
    assert {"uv", "runtime", "python"} <= set(record["packages"])
