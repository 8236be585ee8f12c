"""The MCP server: tools by which language models read what staff read.

Each tool calls operations of the API inside the process, with the key of its caller. So
scopes, white labels, rate limits, and error codes are those of the API, and a tool
cannot show a figure that the API and the pages do not.
"""
