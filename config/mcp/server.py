"""The MCP server with its tools, over standard input and output or HTTP."""

from collections.abc import Callable
from types import new_class
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import ToolAnnotations
from pydantic import ConfigDict, Field

from config.mcp import tools
from config.mcp.answers import Answer
from config.mcp.api_calls import ApiCaller, ApiRefused
from config.version import VERSION

INSTRUCTIONS = """\
Read-only answers about the organizations of a billing back office: who they are,
whether their API requests are refused and why, what they will owe, and why their costs
changed.
Every answer has `as_of` and `sources`; cite them. Amounts are in the currency that the
answer names. The key of the connection decides which organizations can be seen.
"""
_READS_ONLY = ToolAnnotations(read_only_hint=True, idempotent_hint=True)

Organization = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="The external ID of the organization, or its ID in Orgdesk.",
    ),
]
Day = Annotated[str | None, Field(max_length=40, description="A date, as 2026-11-01.")]
Period = Annotated[
    int | None, Field(ge=1, description="The number of a billing period.")
]
# Returns the API key and the address of the request that a tool is called by.
CallerOf = Callable[[Context], ApiCaller]


def build_server(caller_of: CallerOf) -> MCPServer:
    """Return the server; each tool reads as the caller of its request."""
    return MCPServer(
        "orgdesk",
        title="Orgdesk",
        version=VERSION,
        instructions=INSTRUCTIONS,
        tools=_list_tools(caller_of),
        subscriptions=False,
        log_level="WARNING",
    )


def _list_tools(caller_of: CallerOf) -> list[Tool]:
    def find_organization(
        search: Annotated[str, Field(min_length=1, max_length=200)], ctx: Context
    ) -> Answer:
        """Find organizations by words of their name, external ID, or billing email."""
        return _read(tools.find_organization, caller_of(ctx), search)

    def why_blocked(organization: Organization, ctx: Context) -> Answer:
        """Explain whether an organization's requests are refused, and what lifts it.

        Also lists warnings, such as a soft limit that is reached.
        """
        return _read(tools.why_blocked, caller_of(ctx), organization)

    def forecast(organization: Organization, ctx: Context) -> Answer:
        """Estimate the next invoice of an organization, line by line, with a range."""
        return _read(tools.forecast, caller_of(ctx), organization)

    def explain_difference(  # noqa: PLR0917  clients name the arguments
        organization: Organization,
        ctx: Context,
        from_day: Day = None,
        to_day: Day = None,
        compare_from_day: Day = None,
        compare_to_day: Day = None,
        period: Period = None,
        compare_period: Period = None,
    ) -> Answer:
        """Explain why an organization's costs differ between two ranges or periods.

        Without ranges, the open billing period so far is compared with the same days of
        the period before. End days are not included. The terms add up exactly.
        """
        ranges = {
            "from": from_day,
            "to": to_day,
            "compare_from": compare_from_day,
            "compare_to": compare_to_day,
            "period": period,
            "compare_period": compare_period,
        }
        return _read(tools.explain_difference, caller_of(ctx), organization, ranges)

    return [
        _strict_tool(find_organization, "Find an organization"),
        _strict_tool(why_blocked, "Explain why an organization is blocked"),
        _strict_tool(forecast, "Estimate the next invoice"),
        _strict_tool(explain_difference, "Explain a difference of costs"),
    ]


def _strict_tool(function: Callable[..., Answer], title: str) -> Tool:
    """Return a tool that refuses unknown arguments, as its schema states.

    The library ignores them: a misspelled range would be answered without it.
    """
    tool = Tool.from_function(function, title=title, annotations=_READS_ONLY)
    loose = tool.fn_metadata.arg_model
    config = {"model_config": ConfigDict(extra="forbid"), "__module__": __name__}
    tool.fn_metadata.arg_model = new_class(
        loose.__name__, (loose,), exec_body=lambda space: space.update(config)
    )
    tool.parameters = tool.fn_metadata.arg_model.model_json_schema(by_alias=True)
    return tool


def _read(tool: Callable[..., Answer], caller: ApiCaller, *arguments: Any) -> Answer:
    try:
        return tool(caller, *arguments)
    except ApiRefused as error:
        raise ToolError(str(error)) from error
