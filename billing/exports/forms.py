"""The parameters of a download: its table, whose rows, and the kind of file."""

from dataclasses import dataclass
from enum import StrEnum

from django.http import QueryDict
from django.utils import timezone

from billing.exports.queries.manifests import COMMON
from billing.exports.queries.registry import get_table
from billing.exports.queries.tables import Level, Selection, Table
from orgs import access
from orgs.access import Principal
from orgs.errors import DomainError, Forbidden, NotFound
from orgs.models import User, WhiteLabel
from orgs.schemas.exports import read_is_for_excel


class Format(StrEnum):
    """The kinds of files: the table, both files in an archive, or the manifest."""

    CSV = "csv"
    ZIP = "zip"
    MANIFEST = "manifest"


@dataclass(frozen=True)
class Download:
    """A permitted and valid request for a file."""

    table: Table
    selection: Selection
    format: Format
    for_excel: bool


def read_download(
    user: User, slug: str, organization_id: int | None, query: QueryDict
) -> Download:
    """Return the file that a person asks for.

    Raises `Forbidden` without the scope of the table, `NotFound` for a table or an
    organization that they cannot see, and `DomainError` for a parameter that the table
    does not take.
    """
    principal = access.principal_of(user)
    level = Level.FLEET if organization_id is None else Level.ORGANIZATION
    table = get_table(slug, level)
    require_table(user, principal, table)
    selection = select(principal, organization_id, query)
    refuse_unknown(table, selection)
    if table.check:
        table.check(selection)
    return Download(
        table.chosen(selection),
        selection,
        read_format(query.get("format", "")),
        read_is_for_excel(query.get("for", "")),
    )


def require_table(user: User, principal: Principal, table: Table) -> None:
    """Raise `Forbidden` unless the person may read the table."""
    principal.require(table.scope)
    if table.permission and not user.has_perm(table.permission):
        raise Forbidden("Your role has no access to this table.")


def select(
    principal: Principal, organization_id: int | None, query: QueryDict
) -> Selection:
    """Return whose rows are asked for, among those that the principal may see."""
    labels = _chosen(access.visible_white_labels(principal), query)
    organization = None
    if organization_id is not None:
        organization = access.get_organization(
            principal, organization_id, include_deleted=True
        )
        labels = [organization.white_label]
    elif not labels:
        raise Forbidden("You don't have access to a white label.")
    return Selection(
        query=query,
        white_labels=tuple(labels),
        sees_all=principal.sees_all and not query.get("white_label"),
        now=timezone.now(),
        organization=organization,
    )


def _chosen(labels: list[WhiteLabel], query: QueryDict) -> list[WhiteLabel]:
    slug = query.get("white_label", "")
    if not slug:
        return labels
    chosen = [label for label in labels if label.slug == slug]
    if not chosen:
        raise NotFound("White label not found.")
    return chosen


def refuse_unknown(table: Table, selection: Selection) -> None:
    """Raise `DomainError` for a parameter that would be ignored."""
    known = table.parameters | COMMON
    if selection.level is Level.FLEET:
        known |= {"white_label"}
    unknown = sorted(set(selection.query) - known)
    if unknown:
        accepted = ", ".join(sorted(known))
        message = f"Unknown parameter “{unknown[0][:40]}”. Use: {accepted}."
        raise DomainError(message, code="unknown_parameter", fields=(unknown[0],))


def read_format(text: str) -> Format:
    """Return the kind of file; CSV is the default."""
    try:
        return Format(text or Format.CSV)
    except ValueError:
        message = f"`format` must be one of: {', '.join(Format)}."
        raise DomainError(message, fields=("format",)) from None
