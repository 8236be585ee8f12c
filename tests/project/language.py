"""The words that the project does not use, and where they are looked for.

`python -m tests.project.language [PATH …]` lists what `test_language.py` refuses, so
that a folder can be read alone.
"""

import ast
import functools
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT

# What not to write: why, or what to write instead. Whole words, any case.
BANNED = {
    r"letters?": "email; a kind of character is a `character`",
    r"told|tells?": "notified, notify, shows",
    r"anew": "again",
    r"(some|no)body|whoever|whom": "the person or the role",
    r"dear(er|est)?": "expensive, highest",
    r"(limits?|it) falls?|falls on": "is reached",
    r"stands? here": "is listed",
    r"ma[dk]es? good": "refunded",
    r"of (its|their|his|our|one's) own": "separate, or name it",
    r"heard? of": "know",
    r"giv(es?|en|ing) up|gave up": "fail, retries exhausted",
    r"mend(s|ed|ing)?": "repair",
    r"call(s|ed)? off": "cancel",
    r"verdicts?": "status",
    r"timetables?": "schedule",
    r"(is|are) (yours|ours|theirs|mine)": "name the owner",
    r"e-mails?": "email",
    r"stand-ins?": "fake",
    r"doors?": "entry point",
    r"nudg(e|es|ed|ing)": "enqueue",
    r"(un)?fold(s|ed|ing)?": "roll up, pending",
    r"gather(s|ed|ing)?": "debounce, collect",
    r"inbox(es)?": "webhook events",
    r"outlooks?": "forecast",
    r"standings?": "ranking, badges, context",
    r"heal(s|ed|ing)?": "resolve, repair",
    r"unseal(s|ed|ing)?|open_sealed": "decrypt; a seal is that of the history",
    r"rivals?|contested": "duplicate",
    r"patience": "deadline",
    r"amiss": "stale",
    r"sane": "in range",
    r"a duty|duties": "mandatory",
    r"call(s|ed)? to mind|by itself alone": "plain words",
    r"desks?": "staff context",
    r"crowds?": "users and projects",
    r"look(s|ed)? (at )?(once )?more": "evaluate again",
    r"in (one|two) words?": "plain words",
    r"speaks?|spoken|says? so": "implements, answers, states",
    r"programs? (that|which|who|ask|call|send)": "API client",
    r"arm(s|ed)? (it )?again": "re-arm",
    r"crossed|crosses": "reached, exceeded",
    r"turn(s)? of (a|the|one) worker": "lease",
}
# (path prefix, word): why it may stay.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("tests/project/language.py", "*"): "the list itself",
    ("docs/glossary.md", "*"): "explains which word replaced which",
    ("config/dev/servers/postgres.py", "nobody"): "the Unix user",
    ("config/dev/servers/postgres.py", "_chown_to_nobody"): "the Unix user",
    ("config/dev/servers/process.py", "nobody"): "the Unix user",
    ("config/dev/servers/logs.py", "tell"): "the method of a file",
}
# A first line that starts with one of these continues the name instead of saying it.
FRAGMENTS = frozenset(
    """
    as of to for by with without from in on at so only once then where while when if
    whether nothing its it also again beside besides after before until until
    because than and or but not no neither nor
    """.split()  # noqa: SIM905  shorter to read
)
# In the docstring of a function these say what it is, not what it does.
NOUNS = frozenset(
    """
    one the a an what those that this these who whoever which all each every any both
    same such some more most his her their our my your there here how why
    """.split()  # noqa: SIM905  shorter to read
)
# Names that say nothing of what they hold.
EMPTY_NAMES = frozenset(
    """
    found kept told said wanted some ours mine few thing things way gone taken
    beside meanwhile asked
    """.split()  # noqa: SIM905  shorter to read
)
# Words that no name of code contains, as parts of it: see the glossary.
NAME_PARTS = frozenset(
    """
    letter letters told tell untold nudge nudged gather gathered unfolded folded
    fold heal healed inbox outlook standing standings rival rivals desk
    door doors crowd crowds patience amiss sane verdict duty drift said say beside
    nobody somebody whoever anew dearest kept
    """.split()  # noqa: SIM905  shorter to read
)
TEXT_SUFFIXES = (".html", ".txt", ".md")
CODE = ("billing", "bench", "config", "metrics", "orgs", "tests")
_TAGS = re.compile(
    r"\{#.*?#\}|\{%\s*comment.*?endcomment\s*%\}|\{%.*?%\}|\{\{.*?\}\}", re.S
)
_MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->", re.S)
_ATTRIBUTE = re.compile(r'\b(title|aria-label|placeholder|alt|data-label)="([^"]*)"')
_FENCE = re.compile(r"```.*?```|`[^`\n]*`", re.S)
_SQL = re.compile(r"\b(select|insert|update|delete|where|join|from)\b", re.I)
_MAYBE_COMMENT = re.compile(r"#.*")
_WORDS = re.compile(rf"\b(?:{'|'.join(f'(?:{word})' for word in BANNED)})\b", re.I)


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text that a person reads, and where it is."""

    path: str
    line: int
    text: str
    is_docstring: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text.strip()[:100]!r}"


def banned_words(text: Text) -> list[str]:
    """Return the banned words in `text` that no exception allows."""
    words = (match[0] for match in _WORDS.finditer(text.text))
    return [word for word in words if not _is_excepted(text.path, word)]


def _is_excepted(path: str, word: str) -> bool:
    return any(
        path.startswith(prefix) and allowed in ("*", word.lower())
        for prefix, allowed in EXCEPTIONS
    )


def is_fragment(text: Text, *, is_function: bool) -> bool:
    """Return whether the first line of a docstring cannot stand alone."""
    first = re.match(r"[A-Za-z']+", text.text.strip())
    if first is None:
        return False
    word = first[0].lower()
    return word in FRAGMENTS or (is_function and word in NOUNS)


def template_texts(path: Path) -> Iterator[Text]:
    """Yield the lines of a template or document without tags, code and comments."""
    name, source = _name(path), path.read_text()
    blank = lambda match: "\n" * match[0].count("\n") or " "  # noqa: E731
    for pattern in (_TAGS, _MARKUP, _FENCE if path.suffix == ".md" else _MARKUP):
        source = pattern.sub(blank, source)
    for number, line in enumerate(source.split("\n"), 1):
        shown = " ".join(match[2] for match in _ATTRIBUTE.finditer(line))
        text = (
            re.sub(r"<[^>]*>?|^[^<>]*>|\]\([^)]*\)", " ", line)
            if path.suffix != ".txt"
            else line
        )
        if text.strip() or shown:
            yield Text(name, number, f"{text} {shown}")


def python_texts(path: Path) -> Iterator[Text]:
    """Yield the docstrings of a module, and its strings that are sentences.

    The strings of tests are data, so only their docstrings are read.
    """
    docstrings = {id(docstring): docstring for _, docstring in _docstrings(path)}
    for docstring in docstrings.values():
        yield Text(_name(path), docstring.lineno, str(docstring.value), True)
    if path.is_relative_to(ROOT / "tests"):
        return
    for node in _nodes(path):
        if id(node) not in docstrings and _is_sentence(node):
            assert isinstance(node, ast.Constant)
            yield Text(_name(path), node.lineno, str(node.value))


def function_docstrings(path: Path) -> Iterator[tuple[Text, bool]]:
    """Yield each docstring, and whether it belongs to a function that does something.

    Properties, fixtures and tests may be described by a noun or a statement.
    """
    for node, docstring in _docstrings(path):
        text = Text(_name(path), docstring.lineno, str(docstring.value), True)
        yield text, _is_action(node)


def names(path: Path) -> Iterator[Text]:
    """Yield every name that the module defines or assigns, once."""
    seen: dict[str, int] = {}
    for node in _nodes(path):
        match node:
            case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                seen.setdefault(node.name, node.lineno)
            case ast.arg():
                seen.setdefault(node.arg, node.lineno)
            case ast.Name(ctx=ast.Store()):
                seen.setdefault(node.id, node.lineno)
    for name, line in seen.items():
        yield Text(_name(path), line, name)


def is_bad_name(name: str) -> bool:
    """Return whether a name of code is a pronoun or contains a word of the list."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return name.strip("_") in EMPTY_NAMES or any(
        word.lower() in NAME_PARTS for word in words
    )


def comments(path: Path) -> Iterator[Text]:
    """Yield the comments of a module, if any may have a banned word.

    Finding comments exactly takes seconds for all modules, and few have one.
    """
    if not _WORDS.search("\n".join(_MAYBE_COMMENT.findall(path.read_text()))):
        return
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield Text(_name(path), token.start[0], token.string)


@functools.lru_cache(maxsize=1)
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a module; they are read once for several checks."""
    return tuple(ast.walk(ast.parse(path.read_text())))


def _docstrings(path: Path) -> Iterator[tuple[ast.AST, ast.Constant]]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in _nodes(path):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            expression = node.body[0]
            if isinstance(expression, ast.Expr) and isinstance(
                expression.value, ast.Constant
            ):
                yield node, expression.value


def _is_action(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    names = {ast.unparse(one).split("(")[0] for one in node.decorator_list}
    described = {"property", "cached_property", "pytest.fixture"}
    return not (names & described) and not node.name.startswith("test_")


def _is_sentence(node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return " " in node.value.strip() and not _SQL.search(node.value)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sources(*roots: Path) -> Iterator[Path]:
    """Yield the files that people read as text, below `roots` or everywhere."""
    for root in roots or [
        *(ROOT / code for code in CODE),
        ROOT / "templates",
        ROOT / "docs",
        ROOT / "README.md",
    ]:
        files = [root] if root.is_file() else sorted(root.rglob("*"))
        for path in files:
            is_text = path.suffix in (*TEXT_SUFFIXES, ".py")
            if is_text and "migrations" not in path.parts:
                yield path


def problems(paths: Iterator[Path]) -> Iterator[str]:
    """Yield a line for each banned word, bad name and docstring that is a fragment."""
    for path in paths:
        if path.suffix == ".py":
            yield from _words([*python_texts(path), *comments(path)])
            yield from _names(path)
            yield from _fragments(path)
        else:
            yield from _words(template_texts(path))


def _words(texts: Iterable[Text]) -> Iterator[str]:
    for text in texts:
        for word in banned_words(text):
            shown = text.text.strip()[:90]
            yield f"{text.path}:{text.line}: banned {word!r}: {shown!r}"


def _names(path: Path) -> Iterator[str]:
    for name in names(path):
        if is_bad_name(name.text) and not _is_excepted(name.path, name.text):
            yield f"{name.path}:{name.line}: name {name.text!r}"


def _fragments(path: Path) -> Iterator[str]:
    for text, is_function in function_docstrings(path):
        if is_fragment(text, is_function=is_function):
            yield f"{text.path}:{text.line}: fragment: {text.text.strip()[:90]!r}"


if __name__ == "__main__":
    lines = list(problems(sources(*(Path(name).resolve() for name in sys.argv[1:]))))
    print("\n".join([*lines, f"{len(lines)} problems"]))
