"""What each role may do: computed from the declarations that refuse and allow.

Pages ask `config.route_access`, operations the scope of their credential, and Django
admin its model pages, each with a person who has exactly the permissions of a role.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, get_resolver

from config.middleware import OPEN_PREFIXES
from config.openapi.document import document
from config.roles import ROLES
from config.route_access import PUBLIC, SIGNED_IN, Requirement, requirement_of
from orgs.access import principal_of
from orgs.catalog import Scope
from orgs.models import User

SUPERUSER = "superuser"
COLUMNS = (*ROLES, SUPERUSER)
READ, WRITE, YES, NO = "Read", "Read and write", "Yes", "No"


@dataclass(frozen=True)
class Row:
    """A line of the matrix: `cells` by role, and what it stands for."""

    label: str
    cells: tuple[str, ...]
    routes: tuple[str, ...]

    @property
    def named_cells(self) -> list[tuple[str, str]]:
        """The role and the cell of each column."""
        return list(zip(COLUMNS, self.cells, strict=True))


@dataclass(frozen=True)
class Section:
    """A table of the matrix."""

    slug: str
    title: str
    rows: tuple[Row, ...]


def matrix() -> list[Section]:
    """Return the tables for pages, operations of the API, and Django admin."""
    return [
        Section("pages", "Pages", tuple(_page_rows())),
        Section("scopes", "API with a login token or session", tuple(_scope_rows())),
        Section("admin", "Django admin", tuple(_admin_rows())),
    ]


def person_of(role: str) -> User:
    """Return a member of staff who is in no database, with a role's permissions."""
    user = User(username=role, is_staff=True, is_superuser=role == SUPERUSER)
    user.read_permissions = ROLES.get(role) or _every_permission()
    return user


def _every_permission() -> set[str]:
    return {
        f"{model._meta.app_label}.{get_permission_codename(verb, model._meta)}"
        for model in apps.get_models()
        for verb in model._meta.default_permissions
    }


def page_routes() -> Iterator[tuple[str, str, Requirement | None]]:
    """Yield name, path, and requirement of each page that is not of Django admin."""
    yield from _routes(get_resolver(), "", "")


def _routes(
    resolver: URLResolver, prefix: str, path: str
) -> Iterator[tuple[str, str, Requirement | None]]:
    for pattern in resolver.url_patterns:
        whole = f"{path}{pattern.pattern}"
        if isinstance(pattern, URLPattern):
            name = f"{prefix}{pattern.name}" if pattern.name else pattern.lookup_str
            is_open = f"/{whole}".startswith(OPEN_PREFIXES)  # these check their callers
            requirement = requirement_of(name, pattern.callback)
            yield name, f"/{whole}", PUBLIC if is_open else requirement
        elif pattern.app_name not in {"admin", "ninja"}:
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from _routes(pattern, inner, whole)


def _page_rows() -> Iterator[Row]:
    paths: dict[Requirement, list[str]] = {}
    for _, path, requirement in page_routes():
        if requirement is not None:
            paths.setdefault(requirement, []).append(path)
    order = sorted(paths, key=lambda requirement: _rank(requirement, paths))
    for requirement in order:
        cells = tuple(_cell(requirement, person_of(role)) for role in COLUMNS)
        yield Row(requirement.label, cells, tuple(sorted(set(paths[requirement]))))


def _rank(
    requirement: Requirement, paths: Mapping[Requirement, list[str]]
) -> tuple[int, int, str]:
    """Return what sorts a row: the login and one's own account come last."""
    last = {SIGNED_IN: 1, PUBLIC: 2}.get(requirement, 0)
    return last, -len(paths[requirement]), requirement.label


def _cell(requirement: Requirement, user: User) -> str:
    if not requirement.allows(user, "GET"):
        return NO
    if not requirement.writes:
        return YES
    return WRITE if requirement.allows(user, "POST") else READ


def _scope_rows() -> Iterator[Row]:
    operations = _operations()
    scopes = [principal_of(person_of(role)).scopes for role in COLUMNS]
    for scope in Scope:
        cells = tuple(YES if scope in granted else NO for granted in scopes)
        yield Row(scope.value, cells, tuple(operations.get(scope.value, ())))


def _operations() -> dict[str, list[str]]:
    """Return the operations of the API by the scope that each states."""
    operations: dict[str, list[str]] = {}
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            for scope in _scopes(operation):
                operations.setdefault(scope, []).append(f"{method.upper()} {path}")
    return operations


def _scopes(operation: Mapping[str, Any]) -> list[str]:
    return [
        scope
        for credential in operation.get("security", ())
        for scopes in credential.values()
        for scope in scopes
    ]


def _admin_rows() -> Iterator[Row]:
    pages = sorted(admin.site._registry.items(), key=lambda item: item[0]._meta.label)
    for model, page in pages:
        cells = tuple(_admin_cell(page, person_of(role)) for role in COLUMNS)
        name = f"{model._meta.app_label}/{model._meta.model_name}"
        yield Row(str(model._meta.verbose_name_plural), cells, (f"/admin/{name}/",))


def _admin_cell(page: "admin.ModelAdmin[Any]", user: User) -> str:
    request = HttpRequest()
    request.user = user
    allowed = {
        "view": page.has_view_permission(request),
        "add": page.has_add_permission(request),
        "change": page.has_change_permission(request),
    }
    verbs = [verb for verb, is_allowed in allowed.items() if is_allowed]
    return ", ".join(verbs).capitalize() or NO


def markdown() -> str:
    """Return the tables as in `docs/roles.md`."""
    return "\n".join(line for section in matrix() for line in _table(section))


def _table(section: Section) -> Iterator[str]:
    yield from ("", f"## {section.title}", "")
    yield f"| What | {' | '.join(COLUMNS)} |"
    yield f"| --- |{' --- |' * len(COLUMNS)}"
    for row in section.rows:
        yield f"| {row.label} | {' | '.join(row.cells)} |"
