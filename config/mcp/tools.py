"""What each tool reads; `config.mcp.server` offers them to clients."""

from typing import Any

from config.mcp.answers import Answer, make_answer, operation, page
from config.mcp.api_calls import ApiCaller, ApiRefused

_LIST = "/api/v1/organizations"
_MAX_FINDS = 20
_WITH_DELETED = "true"  # a deleted organization is blocked, too


def find_organization(caller: ApiCaller, search: str) -> Answer:
    """Return the organizations whose name, ID, or billing email has all the words.

    Deleted ones have `deleted_at`.
    """
    listed = caller.get(
        _LIST, search=search, limit=_MAX_FINDS, includeDeleted=_WITH_DELETED
    )
    rows = [
        {**row, "page": page("", "billing:overview", organization_id=row["id"]).url}
        for row in listed["organizations"]
    ]
    result = {"organizations": rows, "has_more": listed["next_cursor"] is not None}
    return make_answer(
        result, page("Organizations", "billing:organization_list"), operation(_LIST)
    )


def why_blocked(caller: ApiCaller, organization: str) -> Answer:
    """Return whether requests are refused, why, and what lifts each reason."""
    id_ = _find_id(caller, organization)
    path = f"{_LIST}/{id_}/access/actions"
    return make_answer(
        caller.get(path),
        page("Access", "billing:access", organization_id=id_),
        operation(path),
    )


def forecast(caller: ApiCaller, organization: str) -> Answer:
    """Return what an organization will owe at the end of its open billing period."""
    id_ = _find_id(caller, organization)
    path = f"{_LIST}/{id_}/forecast"
    result = caller.get(path)
    return make_answer(
        result,
        page("Overview", "billing:overview", organization_id=id_),
        operation(path),
        as_of=result["as_of"],
    )


def explain_difference(
    caller: ApiCaller, organization: str, ranges: dict[str, Any]
) -> Answer:
    """Return why the costs of two ranges or billing periods differ."""
    id_ = _find_id(caller, organization)
    path = f"{_LIST}/{id_}/costs/difference"
    return make_answer(
        caller.get(path, **ranges),
        page("Costs", "billing:costs", organization_id=id_),
        operation(path),
    )


def _find_id(caller: ApiCaller, organization: str) -> int:
    """Return the ID of an organization by its external ID, or by the ID itself.

    Raises `ApiRefused` if there is none, or more than one in several white labels.
    """
    listed = caller.get(
        _LIST, external_id=organization, limit=2, includeDeleted=_WITH_DELETED
    )
    rows = listed["organizations"]
    if len(rows) > 1:
        message = f"Several organizations are {organization!r}: use the ID of one."
        raise ApiRefused(409, "conflict", message)
    if rows:
        return int(rows[0]["id"])
    if organization.isascii() and organization.isdigit():
        return int(organization)
    message = f"No organization has the ID {organization!r}. Search for it first."
    raise ApiRefused(404, "organization.not_found", message)
