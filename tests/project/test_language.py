"""The project's language: plain English and the terms of the field.

The list of words is in `tests/project/language.py`, each exception with its reason.
"""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db.models import Model

from config.api import api
from tests import ROOT
from tests.project.language import (
    BANNED,
    EXCEPTIONS,
    Text,
    banned_words,
    is_bad_name,
    is_fragment,
    problems,
    sources,
)

FOLDERS = (
    "bench",
    "billing",
    "config",
    "docs",
    "metrics",
    "orgs",
    "templates",
    "tests",
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_texts_docstrings_and_names_are_plain_english(folder: str) -> None:
    assert list(problems(sources(ROOT / folder))) == []


@pytest.mark.parametrize("name", ["README", "CONTRIBUTING", "SECURITY", "CHANGELOG"])
def test_documents_of_the_project_are_plain_english(name: str) -> None:
    assert list(problems(sources(ROOT / f"{name}.md"))) == []


def test_model_labels_are_plain_english() -> None:
    app_configs = [apps.get_app_config(name) for name in ("orgs", "metrics", "billing")]
    models = [model for app in app_configs for model in app.get_models()]
    texts = [text for model in models for text in _labels(model)]

    assert len(texts) > 200
    assert {text.path: banned_words(text) for text in texts if banned_words(text)} == {}


def _labels(model: type[Model]) -> Iterator[Text]:
    """Yield the labels of a model and of its fields, but not of Django's `username`."""
    path = model._meta.label
    yield Text(path, 0, f"{model._meta.verbose_name} {model._meta.verbose_name_plural}")
    for field in model._meta.get_fields():
        if field.name == "username":
            continue
        label = getattr(field, "verbose_name", "")
        choices = getattr(field, "choices", None) or ()
        shown = " ".join(str(choice[1]) for choice in choices)
        yield Text(path, 0, f"{label} {getattr(field, 'help_text', '')} {shown}")


def test_openapi_texts_are_plain_english() -> None:
    texts = list(_openapi_texts(api.get_openapi_schema(), "#"))

    assert len(texts) > 200
    assert {text.path: banned_words(text) for text in texts if banned_words(text)} == {}


def _openapi_texts(node: object, path: str) -> Iterator[Text]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("title", "summary", "description") and isinstance(value, str):
                yield Text(f"{path}/{key}", 0, value)
            else:
                yield from _openapi_texts(value, f"{path}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _openapi_texts(value, f"{path}/{number}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The letter was sent.", ["letter"]),
        ("Nobody is told anew.", ["Nobody", "told", "anew"]),
        ("The soft limit falls on Monday.", ["limit falls"]),
        ("Emails are sent once.", []),
    ],
)
def test_banned_words_are_found(text: str, words: list[str]) -> None:
    assert banned_words(Text("x.py", 1, text)) == words


@pytest.mark.parametrize(
    ("docstring", "is_function", "expected"),
    [
        ("As `close`, for one organization.", True, True),
        ("The live one of each kind.", True, True),
        ("Return the live subscription of each kind.", True, False),
        ("The staff member behind a request.", False, False),
        ("To the next draft.", False, True),
    ],
)
def test_fragments_are_found(docstring: str, is_function: bool, expected: bool) -> None:
    text = Text("x.py", 1, docstring, is_docstring=True)

    assert is_fragment(text, is_function=is_function) is expected


def test_empty_names_are_found() -> None:
    assert is_bad_name("found")
    assert is_bad_name("send_letter")
    assert not is_bad_name("send_alert_email")


def test_each_exception_has_a_reason_and_a_place() -> None:
    assert BANNED
    for (prefix, _), reason in EXCEPTIONS.items():
        assert reason
        assert any((ROOT / prefix).parent.glob(f"{(ROOT / prefix).name}*")), prefix
