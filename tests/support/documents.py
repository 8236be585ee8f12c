"""The documents of the repository, and the statements that tests can check."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT

_FENCE = re.compile(
    r"(?:<!-- not tested: (?P<reason>.*?) -->\n)?^```(?P<language>\w*)\n"
    r"(?P<text>.*?)^```$",
    re.M | re.S,
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TOP = "billing|bench|config|docs|metrics|orgs|requirements|static|templates|tests"
_PATH = re.compile(rf"`((?:{_TOP})/[\w./-]*)`")
_HEADING = re.compile(r"^#+ (.+)$", re.M)
# What the commands of documents must print, besides ending without an error.
README_PRINTED = {"README.md": [r'"accepted": ?1\b', r'"value": ?0\.003\b']}
DOCS_PRINTED = {
    "docs/loading.md": [r"accepted 3 duplicates 0 rejected 0"],
    "docs/api.md": [r'"accepted": ?1\b', "organization_not_found", r'"allowed": ?true'],
    "docs/api/quickstart.md": [
        r'"allowed": ?true',
        "1 accepted",
        "1 duplicate",
        "costs this month: 0",
    ],
    "docs/operations.md": ["metrics_usageevent_"],
}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a document; `reason` explains why it is not run, if so."""

    document: str
    line: int
    language: str
    text: str
    reason: str | None

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def documents() -> list[Path]:
    """Return every Markdown file that a reader of the repository starts from."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(document: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a document, in order."""
    text = document.read_text()
    for match in _FENCE.finditer(text):
        yield Block(
            document.relative_to(ROOT).as_posix(),
            text.count("\n", 0, match.start("text")),
            match["language"],
            match["text"],
            match["reason"],
        )


def links(document: Path) -> list[str]:
    """Return the targets of a document's links to files of the repository."""
    targets = _LINK.findall(_prose(document))
    return [target for target in targets if "://" not in target]


def paths(document: Path) -> list[str]:
    """Return the paths that a document names as code."""
    return _PATH.findall(_prose(document))


def anchors(document: Path) -> set[str]:
    """Return the anchors that a Markdown renderer gives a document's headings."""
    headings = _HEADING.findall(_prose(document))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def _prose(document: Path) -> str:
    return _FENCE.sub("", document.read_text())
