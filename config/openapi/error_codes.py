"""The error codes of the API: what each means, and which operations answer with it.

`docs/api/errors.md` lists the same codes; a test compares both with the code.
"""

from collections.abc import Iterable
from typing import Any

from config.openapi.nodes import Node

CODES = {
    "root.unauthorized": "No valid API key, login token, or session was sent.",
    "root.unauthenticated": "The user name, password, or two-factor code is wrong.",
    "address_not_allowed": "The API key may not be used from the address of the call.",
    "organization.invalid_access": "The credential lacks the scope, or may not access"
    " the organization.",
    "https_required": "A credential, or a write, was sent without TLS.",
    "csrf_failed": "A write by a cookie had no valid CSRF token.",
    "reauthentication_required": "A write in a browser session whose login was not"
    " confirmed recently.",
    "two_factor_required": "The account has to set up two-factor login on the website"
    " first.",
    "single_sign_on_required": "Passwords are off: accounts log in by single sign-on.",
    "two_factor_code_unavailable": "The account logs in with a passkey: send a recovery"
    " code, or use an API key.",
    "invalid_header": "The name of a header has an underscore, or its value is not"
    " ASCII.",
    "invalid_forwarded_header": "A header of a proxy, such as `X-Forwarded-For`, is"
    " malformed.",
    "incomplete_body": "The connection ended before the whole body had arrived.",
    "request_timeout": "The body did not arrive in time.",
    "outbound_busy": "Another test waits for its answer; see `Retry-After`.",
    "logins_busy": "Other passwords are being checked; see `Retry-After`.",
    "not_found": "What the path names does not exist, or may not be seen.",
    "organization.not_found": "The organization does not exist, or may not be seen.",
    "organization_not_found": "The body names an organization that does not exist.",
    "project_not_found": "The event names a project that does not exist.",
    "billing_service.es_cluster_id_not_found": "The project does not exist.",
    "invalid_request": "A parameter or field has a value that is not accepted.",
    "invalid_body": "The body is not valid JSON, NDJSON, or gzip.",
    "duplicate_key": "A JSON object has a key twice.",
    "duplicate_parameter": "A query parameter is given more than once.",
    "unknown_parameter": "There is no query parameter of this name.",
    "unknown_field": "There is no field of this name.",
    "missing_field": "A required field was not sent.",
    "too_long": "A text is longer than accepted.",
    "too_large": "The body, or the number of events in it, is larger than accepted.",
    "too_precise": "A number has more decimal places than accepted.",
    "out_of_range": "A number is larger than accepted.",
    "not_finite": "A number is infinite or not a number.",
    "timezone_required": "A time has no offset, such as `Z` or `+02:00`.",
    "invalid_character": "A text contains a NUL character.",
    "invalid_cursor": "The cursor belongs to another list, or is damaged.",
    "invalid_by": "`by` is none of the accepted groupings.",
    "invalid_range": "`range` is not a range of the table.",
    "invalid_benchmark_unit_price": "The end of a price has a benchmark price.",
    "invalid_unit": "The unit is not one of the meter.",
    "invalid_entitlements": "`entitlements` must be an object.",
    "costs.invalid_date_range": "A date is invalid, or the range is reversed or too"
    " long.",
    "costs.invalid_bucketing_strategy": "`bucketing_strategy` is neither `daily` nor"
    " `monthly`.",
    "unknown_meter": "There is no meter of this name.",
    "conflict": "The request contradicts the current state.",
    "organization_exists": "The white label has an organization with this external ID.",
    "key_exists": "This key text is already in use.",
    "idempotency_key_reused": "The idempotency key was used for another request.",
    "idempotency_key_in_use": "A request with this idempotency key is in progress.",
    "invalid_idempotency_key": "The key is not 1 to 255 printable ASCII characters.",
    "endpoint_not_allowed": "The URL is not https, or its host is not public.",
    "url_not_allowed": "The URL is not https, or its host is not public.",
    "token_missing": "A masked token was sent, and none is stored.",
    "billing.webhook_endpoint_invalid": "The webhook endpoint cannot have this value.",
    "billing.webhook_endpoint_disabled": "The webhook endpoint is disabled.",
    "billing.too_many_webhook_endpoints": "The white label has 100 webhook endpoints.",
    "billing.delivery_unfinished": "The delivery is still being tried.",
    "billing.replay_too_large": "The range of the replay has more than 10,000 events.",
    "export_not_ready": "The export has no file yet.",
    "export_expired": "The file was deleted because of its age.",
    "export_ended": "The export has already ended.",
    "too_many_exports": "Three exports of the caller are unfinished.",
    "unsupported_media_type": "The body has a type, charset, or encoding that is not"
    " accepted.",
    "method_not_allowed": "The path does not accept this method.",
    "forbidden": "The request is not allowed.",
    "rate_limited": "Too many requests; wait as long as `Retry-After` states.",
    "billing_service.rate_limited": "The same, for the charts of costs.",
    "failed_request": "An unexpected error outside of an operation.",
    "billing_service.failed_request": "An unexpected error, which was logged.",
    "unavailable": "The database or another service is down; see `Retry-After`.",
}

# Why an event of `record_usage` is in `rejected`; the call itself succeeds.
REJECTIONS = {
    "invalid_event": "The event is not a JSON object.",
    "invalid_json": "The line is not a JSON object.",
    "missing_field": "A required field is missing.",
    "unknown_field": "There is no field of this name.",
    "duplicate_key": "The event has a key twice.",
    "invalid_id": "`id` is not a text of 1 to 200 characters.",
    "invalid_timestamp": "`timestamp` is not a date-time.",
    "timezone_required": "`timestamp` has no offset.",
    "timestamp_out_of_window": "`timestamp` is older than 400 days, or more than a day"
    " ahead.",
    "invalid_product": "`product` has characters that are not accepted.",
    "invalid_quantities": "`quantities` is not an object of whole numbers.",
    "unknown_meter": "`quantities` names a meter that does not exist.",
    "invalid_organization_id": "`organization_id` is not a positive whole number.",
    "invalid_organization": "`organization` is not a text of 1 to 200 characters.",
    "invalid_project_id": "`project_id` is not a positive whole number.",
    "invalid_project": "`project` is not a text of 1 to 200 characters.",
    "invalid_character": "A text contains a NUL character.",
    "reserved_id": "`id` starts with a prefix that Orgdesk uses itself.",
    "event_conflict": "`id` and `timestamp` are recorded with other contents.",
    "organization_not_found": "No such organization, or the key may not write to it.",
    "organization_deleted": "The organization was deleted before the usage, or its last"
    " invoice is final.",
    "project_not_found": "The organization has no project with this ID.",
}

_OF_BODIES = (
    "invalid_body", "duplicate_key", "invalid_character", "missing_field",
    "unknown_field", "too_long", "too_precise", "out_of_range", "not_finite",
    "timezone_required",
)  # fmt: skip
_OF_QUERIES = (
    "duplicate_parameter", "unknown_parameter", "invalid_character", "missing_field",
    "too_long",
)  # fmt: skip
_OF_PARAMETERS = {
    "cursor": "invalid_cursor",
    "bucketing_strategy": "costs.invalid_bucketing_strategy",
    "by": "invalid_by",
    "from": "costs.invalid_date_range",
    "startDate": "costs.invalid_date_range",
}
_BY_STATUS = {
    "401": ("root.unauthorized",),
    "403": (
        "organization.invalid_access",
        "two_factor_required",
        "address_not_allowed",
        "single_sign_on_required",
    ),
    "404": ("not_found",),
    "409": ("conflict",),
    "410": ("export_expired",),
    "413": ("too_large",),
    "415": ("unsupported_media_type",),
    "429": ("rate_limited",),
    "500": ("billing_service.failed_request",),
    "503": ("unavailable",),
}
# What operations add to the codes that follow from their parameters and status.
_OF_OPERATIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "create_organization": {"409": ("organization_exists",)},
    "update_organization": {
        "400": ("invalid_entitlements",),
        "409": ("organization_exists",),
    },
    "list_usage_events": {
        "400": ("unknown_meter", "invalid_request"),
        "404": ("organization.not_found",),
    },
    "update_rates": {
        "400": (
            *("unknown_meter", "invalid_unit", "organization_not_found"),
            "invalid_benchmark_unit_price",
        )
    },
    "export_fleet_table": {
        "400": ("unknown_parameter", "invalid_range", "costs.invalid_date_range"),
        "409": ("too_many_exports",),
    },
    "export_organization_table": {
        "400": ("unknown_parameter", "invalid_range", "costs.invalid_date_range"),
        "409": ("too_many_exports",),
    },
    "create_webhook_endpoint": {
        "400": ("url_not_allowed", "billing.webhook_endpoint_invalid"),
        "503": ("unavailable", "outbound_busy"),
        "404": ("organization.not_found",),
        "409": ("billing.too_many_webhook_endpoints",),
    },
    "update_webhook_endpoint": {
        "400": ("url_not_allowed", "billing.webhook_endpoint_invalid"),
        "503": ("unavailable", "outbound_busy"),
    },
    "rotate_webhook_secret": {"400": ("billing.webhook_endpoint_invalid",)},
    "test_webhook_endpoint": {
        "400": ("billing.webhook_endpoint_invalid",),
        "503": ("unavailable", "outbound_busy"),
    },
    "replay_webhook_events": {
        "400": ("costs.invalid_date_range", "billing.replay_too_large"),
        "409": ("billing.webhook_endpoint_disabled",),
    },
    "resend_webhook_delivery": {
        "409": ("billing.webhook_endpoint_disabled", "billing.delivery_unfinished")
    },
    "download_export": {"409": ("export_not_ready",)},
}
_LOGINS = frozenset({"create_login_token", "create_white_label_login_token"})
_TOKENS = {
    "create_login_token": ("root.unauthenticated",),
    "refresh_login_token": ("root.unauthorized", "root.unauthenticated"),
}
_CHARTS = ("get_cost_chart", "get_deployment_cost_chart")


def codes_of(operation: Node, call: str, status: str) -> list[str]:
    """Return the codes that an operation may answer with a status, the likeliest first.

    Those of a request are derived from its parameters and its body.
    """
    name = operation["operationId"]
    codes = [*_of_status(name, call, status, operation)]
    codes += _of_key(operation, status)
    codes += _OF_OPERATIONS.get(name, {}).get(status, ())
    return list(dict.fromkeys(codes))


def _of_status(name: str, call: str, status: str, operation: Node) -> Iterable[str]:
    if status in ("400", "422"):
        is_of_key = status == "422" and " /api/v1/" in call
        return () if is_of_key else _of_request(operation)
    if status == "401" and name in _TOKENS:
        return _TOKENS[name]
    if status == "429" and name in _CHARTS:
        return ("billing_service.rate_limited",)
    if status == "404":
        return _of_missing(call, operation)
    return _of_refused(name, call) if status == "403" else _BY_STATUS[status]


def _of_refused(name: str, call: str) -> Iterable[str]:
    if name in _LOGINS:
        return (
            "two_factor_required",
            "two_factor_code_unavailable",
            "single_sign_on_required",
        )
    if call.startswith("GET "):
        return _BY_STATUS["403"]
    return (*_BY_STATUS["403"], "csrf_failed", "reauthentication_required")


def _of_request(operation: Node) -> Iterable[str]:
    yield "invalid_request"
    yield from _OF_QUERIES  # also of operations without parameters
    names = [p["name"] for p in operation["parameters"] if p["in"] == "query"]
    for name in names:
        if name in _OF_PARAMETERS:
            yield _OF_PARAMETERS[name]
    if "requestBody" in operation:
        yield from _OF_BODIES


_OF_KEYS = {
    "400": ["invalid_idempotency_key"],
    "409": ["idempotency_key_in_use"],
    "422": ["idempotency_key_reused"],
}


def _of_key(operation: Node, status: str) -> list[str]:
    """Return the codes of an operation that takes an idempotency key."""
    names = [parameter["name"] for parameter in operation["parameters"]]
    return _OF_KEYS.get(status, []) if "Idempotency-Key" in names else []


def _of_missing(call: str, operation: Node) -> Iterable[str]:
    if "{organization_id}" in call:
        yield "organization.not_found"
    if "{deployment_id}" in call:
        yield "billing_service.es_cluster_id_not_found"
    if "{organization_id}" not in call or call.count("{") > 1:
        yield "not_found"
    names = {parameter["name"] for parameter in operation["parameters"]}
    if "requestBody" in operation or "organization_id" in names:
        yield "organization.not_found"  # named by the body, or by a parameter


def describe_codes(codes: list[str]) -> str:
    """Return the codes as a text that continues the description of an answer."""
    listed = ", ".join(f"`{code}`" for code in codes)
    return f" Codes: {listed}." if len(codes) > 1 else f" Code: {listed}."


def error_example(schema_name: str, code: str) -> dict[str, Any]:
    """Return the body of an error in the format of its contract."""
    message = CODES[code]
    if schema_name == "ErrorsOut":
        return {"errors": [{"code": code, "message": message}]}
    if schema_name == "DetailOut":
        return {"detail": message}
    return {"success": False, "error": message}
