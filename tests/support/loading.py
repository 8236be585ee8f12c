"""Runs loading commands for tests."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command


class Load:
    """Runs a loading command as a shell does: exit code, output, rejects."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.errors = ""
        self.rejects = folder / "out" / "rejects.csv"

    def __call__(
        self, content: bytes | str, command: str = "load_usage"
    ) -> tuple[int, str]:
        path = self.folder / "file"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self.path(str(path), command)

    def path(self, path: str, command: str = "load_usage") -> tuple[int, str]:
        code = 0
        try:
            call_command(command, path, white_label="acme", rejects=self.rejects)
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = self.capsys.readouterr()
        self.errors = captured.err
        return code, captured.out

    def refused(self) -> list[tuple[int, str]]:
        return [(int(row["line"]), row["code"]) for row in self.rejected_rows()]

    def rejected_rows(self, path: Path | None = None) -> list[dict[str, str]]:
        with (path or self.rejects).open(newline="", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
        assert [*rows[0]][:3] == ["line", "code", "message"]
        assert all(row["message"] for row in rows)
        return rows


def lines(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)
