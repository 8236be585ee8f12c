"""The parameters of a download: its table, whose rows, and the kind of file."""

from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict
from django.utils import timezone

from billing.exports.queries.downloads import COMMON, Download, Format
from billing.exports.queries.registry import get_table
from billing.exports.queries.tables import Level, Owner, Selection, Table
from billing.models import Export
from orgs import access
from orgs.access import DELETED, Principal, require_known
from orgs.errors import DomainError, Forbidden, NotFound
from orgs.models import User, WhiteLabel
from orgs.schemas.exports import EXCEL, read_is_for_excel


@dataclass(frozen=True)
class Caller:
    """The person or API key that asks for a file, and what it may read."""

    principal: Principal
    permissions: frozenset[str] = frozenset()  # of Django; an API key has none

    @property
    def owner(self) -> Owner:
        principal = self.principal
        return Owner(principal.name, principal.user_id, principal.key_id)

    def visible_ids(self) -> list[int]:
        """Return the ids of the white labels that the caller may see; one query."""
        return [label.pk for label in access.visible_white_labels(self.principal)]


def caller_of(user: User) -> Caller:
    """Return a person as the caller of a page."""
    permissions = frozenset(user.get_all_permissions())
    return Caller(access.principal_of(user), permissions)


def caller_by(principal: Principal) -> Caller:
    """Return the caller of the API: a key, or a person with a password or token."""
    if principal.user_id is None:
        return Caller(principal)
    user = User.objects.get(pk=principal.user_id)
    return Caller(principal, frozenset(user.get_all_permissions()))


def read_download(
    caller: Caller,
    slug: str,
    organization_id: int | None,
    query: QueryDict,
    *,
    now: datetime | None = None,
) -> Download:
    """Return the file that a caller asks for.

    Raises `Forbidden` without the scope of the table, `NotFound` for a table or an
    organization that they cannot see, and `DomainError` for a parameter that the table
    does not take.
    """
    level = Level.FLEET if organization_id is None else Level.ORGANIZATION
    table = get_table(slug, level)
    require_table(caller, table)
    selection = select(caller, organization_id, query, now or timezone.now())
    refuse_unknown(table, selection)
    if table.check:
        table.check(selection)
    for_excel = read_is_for_excel(query.get("for", ""))
    return Download(table.chosen(selection), selection, for_excel)


def read_stored(export: Export) -> Download:
    """Return the file of an export, as it was asked for.

    Raises `Forbidden` or `NotFound` if its owner may not read it any more.
    """
    caller = _owner_of(export)
    if not set(export.white_label_ids) <= set(caller.visible_ids()):
        raise NotFound("You no longer have access to its white label.")
    return _read_again(caller, export, export.created_at)


def read_again(caller: Caller, export: Export) -> Download:
    """Return the file of an export as its table is now; raises as `read_download`."""
    return _read_again(caller, export, None)


def _read_again(caller: Caller, export: Export, now: datetime | None) -> Download:
    query = QueryDict(export.query, mutable=True)
    if export.is_for_excel:
        query["for"] = EXCEL
    return read_download(caller, export.table, export.organization_id, query, now=now)


def require_file(caller: Caller, export: Export) -> None:
    """Raise `Forbidden` unless the caller may still read every column of an export.

    Raises `NotFound` if its organization or white label is no longer visible.
    """
    allowed = _read_again(caller, export, export.created_at).table.columns
    stored = (export.manifest or {}).get("columns", ())
    if not set(stored) <= set(allowed):
        raise Forbidden("You may no longer read some of its columns. Export it again.")


def _owner_of(export: Export) -> Caller:
    if export.user is not None:
        return caller_of(export.user)
    key = export.api_key
    principal = access.principal_of_owner(key) if key else None
    if principal is None:
        raise Forbidden("The API key has been revoked or has expired.")
    return Caller(principal)


def require_table(caller: Caller, table: Table) -> None:
    """Raise `Forbidden` unless the caller may read the table."""
    caller.principal.require(table.scope)
    if table.permission and table.permission not in caller.permissions:
        raise Forbidden("Your role has no access to this table.")


def select(
    caller: Caller, organization_id: int | None, query: QueryDict, now: datetime
) -> Selection:
    """Return whose rows are asked for, among those that the caller may see."""
    principal = caller.principal
    labels = _chosen(access.visible_white_labels(principal), query)
    organization = None
    if organization_id is not None:
        organization = access.get_organization(
            principal, organization_id, include_deleted=True
        )
        labels = [organization.white_label]
    elif not labels:
        raise Forbidden("You don't have access to a white label.")
    elif principal.organization_id is not None:
        raise Forbidden("Use an API key of the whole white label.")
    return Selection(
        query=query,
        white_labels=tuple(labels),
        sees_all=principal.sees_all and not query.get("white_label"),
        now=now,
        owner=caller.owner,
        organization=organization,
        scopes=principal.scopes,
        permissions=caller.permissions,
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
    else:
        known |= {DELETED}
    require_known(selection.query, known)


def read_format(text: str, *, default: Format = Format.CSV) -> Format:
    """Return the kind of file; CSV, unless the caller has another default."""
    try:
        return Format(text or default)
    except ValueError:
        message = f"`format` must be one of: {', '.join(Format)}."
        raise DomainError(message, fields=("format",)) from None
