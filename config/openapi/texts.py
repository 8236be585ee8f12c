"""Texts of the OpenAPI document that belong to no operation."""

from typing import Any

DESCRIPTION = """\
Manage organizations, report their usage, and read what it costs.

- Send an API key as `Authorization: Bearer KEY`. Each operation names the scope that it
  requires.
- Errors have a stable code in `errors[].code` and in the header `x-cloud-error-codes`.
- Paths under `/api/v1` are Orgdesk's API, except those under `/api/v1/billing/costs`
  and `/api/v1/account`, which follow the billing costs API of Elastic Cloud. Paths
  under `/v1/orgs` and `/v1/billing` follow the organization API of Pulze, and paths
  under `/v1/api` the white-label API of Edge Impulse. It does not serve themes, boards,
  deployment targets, learning blocks, or data exports.
- The version follows semantic versioning: within a major version, fields, codes,
  operations, and optional parameters are added, and nothing is removed or renamed.
"""

TAGS = {
    "usage": "Record usage events, and read the usage of organizations over time.",
    "organizations": "Manage organizations, and read their access and forecast.",
    "members and projects": "Manage the members and projects of an organization.",
    "billing": "List billing periods, invoices, charges, credits, limits, and alerts.",
    "costs": "Read costs over time, by item, and by project, and compare them."
    " Projects are called deployments here, as in the billing costs API of Elastic"
    " Cloud.",
    "rates": "Read and change the price book.",
    "exports": "Download tables as CSV files, with a manifest.",
    "webhooks": "Manage webhook endpoints, and read what was delivered to them.",
    "login": "Exchange a password for a login token. API keys need no login.",
    "own organization": "Read and change the organization of the credential, as in the"
    " organization API of Pulze.",
    "white label": "Manage the organizations of a white label, as in the white-label"
    " API of Edge Impulse.",
}

INFO: dict[str, Any] = {
    "summary": "The API of a billing back office.",
    "contact": {"name": "The Orgdesk project"},
    "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
}

SERVERS = [{"url": "/", "description": "This installation."}]

# Descriptions of path parameters, which every operation would repeat.
PATH_PARAMETERS = {
    "organization_id": "The ID of the organization.",
    "inner_id": "The ID of an organization of the white label.",
    "member_id": "The ID of the member.",
    "user_id": "The ID of the user.",
    "project_id": "The ID of the project.",
    "deployment_id": "The ID of the project, or `none` for usage without a project.",
    "export_id": "The ID of the export.",
    "webhook_endpoint_id": "The ID of the webhook endpoint.",
    "delivery_id": "The ID of the delivery.",
    "table": "The name of the table, from `GET /api/v1/tables`.",
    "number": "The number of the billing period.",
    "report_id": "The ID of the usage report.",
}

# Answers by status. Operations may describe theirs with `openapi_extra`.
ANSWERS = {
    "200": "Success.",
    "201": "Created.",
    "202": "The request takes longer: its address is in `Location`.",
    "204": "Success, without a body.",
    "304": "The copy that the client has is still current.",
    "400": "The request is invalid.",
    "401": "No valid credential was sent.",
    "403": "The credential does not allow this.",
    "404": "What the path names does not exist, or the credential may not see it.",
    "409": "The request contradicts the current state.",
    "410": "The file has expired.",
    "413": "The request body is too large.",
    "415": "The request body has a type, charset, or encoding that is not accepted.",
    "422": "The request is invalid.",
    "429": "Too many requests: wait as long as `Retry-After` states.",
    "500": "An unexpected error, which was logged.",
    "503": "A service that the request needs is down: retry after `Retry-After`.",
}
