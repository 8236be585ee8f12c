"""Descriptions of the changes of organizations, their people, keys, and accounts."""

from orgs.queries.history import Values
from orgs.web.history import (
    Description,
    Facts,
    Field,
    day,
    describe,
    hours,
    instant,
    items,
    money,
    name_of,
    number,
    size,
    unit,
    word,
)

_REQUESTS = unit("requests per minute")


def _flag(yes: str, no: str) -> Field:
    return Field(phrases=(yes, no))


def _person(row: Values) -> str:
    name, email = row["name"], row["email"] or row["external_id"]
    return f"{name} ({email})" if name else str(email)


def _account(row: Values, facts: Facts) -> str:
    return f"Account {row['username']}"


def _key(row: Values, facts: Facts) -> str:
    return f"API key {row['name']} ({row['start']}…)"


def _new_key(row: Values, facts: Facts) -> str:
    return f"{_key(row, facts)} created with {items(row['scopes'], facts)}"


def _new_entitlements(row: Values, facts: Facts) -> str:
    given = [
        f"{field.label} set to {field.format(row[name], facts)}"
        for name, field in _ENTITLEMENTS.items()
        if row[name] is not None
    ]
    return "; ".join(given) or "entitlements set to no limit"


_ENTITLEMENTS = {
    "storage_bytes": Field("storage entitlement", size, is_amount=True),
    "compute_seconds_per_year": Field(
        "compute entitlement per year", hours, is_amount=True
    ),
    "gpu_seconds_per_year": Field("GPU entitlement per year", hours, is_amount=True),
    "projects": Field("entitlement of projects", number, is_amount=True),
    "users": Field("entitlement of users", number, is_amount=True),
}

describe(
    "orgs.Organization",
    Description(
        "organization",
        lambda row, facts: f"organization {row['name']}",
        {
            "white_label_id": Field("white label", name_of("orgs.WhiteLabel")),
            "external_id": Field("external ID"),
            "name": Field("name"),
            "billing_email": Field("billing email"),
            "contract_started_on": Field("contract start", day),
            "rate_limit": Field("rate limit", _REQUESTS, is_amount=True),
            "is_active": _flag("activated", "deactivated"),
            "is_billable": _flag("marked as billable", "marked as not billable"),
            "is_personal": _flag("marked as personal", "marked as not personal"),
            "created_at": Field("creation date", instant),
            "deleted_at": _flag("deleted", "restored"),
            "created_by": Field("creator"),
            "domain": Field("domain"),
            "logo_url": Field("logo"),
            "header_image_url": Field("header image"),
            "readme": Field("readme", is_hidden=True),
            "experiments": Field("experiments", items),
            "hubspot_id": Field("HubSpot ID"),
            "address_line_1": Field("address line 1"),
            "address_line_2": Field("address line 2"),
            "address_zip": Field("ZIP code"),
            "address_city": Field("city"),
            "address_state": Field("state"),
            "address_country": Field("country"),
        },
        begins=False,
        added=lambda row, facts: f"organization {row['name']} created",
    ),
)
describe(
    "orgs.Entitlements",
    Description(
        "limits",
        lambda row, facts: "entitlements",
        _ENTITLEMENTS,
        begins=False,
        added=_new_entitlements,
    ),
)
describe(
    "orgs.Member",
    Description(
        "people",
        lambda row, facts: f"member {_person(row)}",
        {
            "external_id": Field("external ID"),
            "email": Field("email"),
            "name": Field("name"),
            "role": Field("role", word),
            "is_staff": _flag("marked as staff", "no longer staff"),
            "added_at": Field("start", instant),
            "deleted_at": _flag("removed", "restored"),
        },
        added=lambda row, facts: f"member {_person(row)} added as {row['role']}",
        removed=lambda row, facts: f"member {_person(row)} deleted permanently",
    ),
)
describe(
    "orgs.Project",
    Description(
        "projects",
        lambda row, facts: f"project {row['name']}",
        {
            "external_id": Field("external ID"),
            "name": Field("name"),
            "is_public": _flag("made public", "made private"),
            "added_at": Field("start", instant),
            "deleted_at": _flag("removed", "restored"),
        },
    ),
)
describe(
    "orgs.ApiKey",
    Description(
        "api_keys",
        _key,
        {
            "white_label_id": Field("white label", name_of("orgs.WhiteLabel")),
            "name": Field("name"),
            "start": Field("start"),
            "scopes": Field("scopes", items),
            "address_ranges": Field("address ranges", items),
            "replaces_id": Field("rotated from", name_of("orgs.ApiKey")),
            "created_by_id": Field("creator", name_of("orgs.User")),
            "created_at": Field("creation", instant),
            "expires_at": Field("expiry", instant),
            "revoked_at": Field("", instant, phrases=("revoked from {}", "reinstated")),
        },
        added=_new_key,
        references={
            "created_by_id": "orgs.User",
            "white_label_id": "orgs.WhiteLabel",
            "replaces_id": "orgs.ApiKey",
        },
    ),
)
describe(
    "orgs.User",
    Description(
        "accounts",
        _account,
        {
            "is_superuser": _flag("made superuser", "no longer superuser"),
            "username": Field("user name"),
            "first_name": Field("first name"),
            "last_name": Field("last name"),
            "email": Field("email"),
            "is_staff": _flag("marked as staff", "no longer staff"),
            "is_active": _flag("activated", "deactivated"),
            "date_joined": Field("start", instant),
            "white_label_id": Field("white label", name_of("orgs.WhiteLabel")),
            "login_version": Field(phrases=("logged out everywhere", "")),
        },
        permission="orgs.view_user",
        references={"white_label_id": "orgs.WhiteLabel"},
    ),
)
describe(
    "orgs.WhiteLabel",
    Description(
        "white_labels",
        lambda row, facts: f"white label {row['name']}",
        {
            "slug": Field("slug"),
            "name": Field("name"),
            "owner_id": Field("owner", name_of("orgs.Organization")),
            "time_zone": Field("time zone"),
            "gpu_weight": Field("GPU weight", number, is_amount=True),
            "currency": Field("currency", lambda value, facts: str(value).upper()),
            "default_rate_limit": Field(
                "default rate limit", _REQUESTS, is_amount=True
            ),
            "bills_usage_monthly": _flag(
                "bills usage monthly", "bills usage with the plan"
            ),
            "default_soft_limit": Field("default soft limit", money, is_amount=True),
            "default_hard_limit": Field("default hard limit", money, is_amount=True),
            "logo_sha256": Field("logo", lambda value, facts: str(value)[:8]),
            "accent_color": Field("accent color"),
            "sender_name": Field("sender name"),
            "reply_to": Field("reply-to address"),
            "created_at": Field("creation", instant),
        },
        references={"owner_id": "orgs.Organization"},
    ),
)


def _new_view(row: Values, facts: Facts) -> str:
    """Return as what, and why; without an account it is the organization's page."""
    account = row["account_id"]
    name = name_of("orgs.User")(account, facts) if account else "a member"
    return f"view as {name} started: {row['reason']}"


def _role(row: Values, facts: Facts) -> str:
    """Return whose role it is; the name of the role stays when the account is gone."""
    name = name_of("orgs.User")(row["user_id"], facts)
    return f"account {name}: role {name_of('auth.Group')(row['group_id'], facts)}"


def _permission(row: Values, facts: Facts) -> str:
    name = name_of("orgs.User")(row["user_id"], facts)
    permission = name_of("auth.Permission")(row["permission_id"], facts)
    return f"account {name}: permission {permission}"


def _permission_of_role(row: Values, facts: Facts) -> str:
    role = name_of("auth.Group")(row["group_id"], facts)
    permission = name_of("auth.Permission")(row["permission_id"], facts)
    return f"role {role}: permission {permission}"


describe(
    "orgs.UserRole",
    Description(
        "accounts",
        _role,
        {
            "user_id": Field("account", name_of("orgs.User")),
            "group_id": Field("role", name_of("auth.Group")),
        },
        permission="orgs.view_user",
        references={"user_id": "orgs.User", "group_id": "auth.Group"},
    ),
)
describe(
    "orgs.UserPermission",
    Description(
        "accounts",
        _permission,
        {
            "user_id": Field("account", name_of("orgs.User")),
            "permission_id": Field("permission", name_of("auth.Permission")),
        },
        permission="orgs.view_user",
        references={"user_id": "orgs.User", "permission_id": "auth.Permission"},
    ),
)
describe(
    "orgs.RolePermission",
    Description(
        "accounts",
        _permission_of_role,
        {
            "group_id": Field("role", name_of("auth.Group")),
            "permission_id": Field("permission", name_of("auth.Permission")),
        },
        permission="orgs.view_user",
        references={"group_id": "auth.Group", "permission_id": "auth.Permission"},
    ),
)
describe(
    "orgs.ViewAs",
    Description(
        "accounts",
        lambda row, facts: "view as another account",
        {
            "user_id": Field("viewer", name_of("orgs.User")),
            "account_id": Field("account", name_of("orgs.User")),
            "white_label_id": Field("white label", name_of("orgs.WhiteLabel")),
            "reason": Field("reason"),
            "started_at": Field("start", instant),
            "ends_at": Field("end", instant),
            "ended_at": Field("", instant, phrases=("ended at {}", "resumed")),
        },
        added=_new_view,
        permission="orgs.add_viewas",
        references={
            "user_id": "orgs.User",
            "account_id": "orgs.User",
            "white_label_id": "orgs.WhiteLabel",
        },
    ),
)
describe(
    "orgs.Note",
    Description(
        "notes",
        lambda row, facts: "note",
        {
            "text": Field("text"),
            "ticket_url": Field("ticket link"),
            "is_pinned": _flag("pinned", "unpinned"),
            "author_id": Field("author", name_of("orgs.User")),
            "author_name": Field("name of the author"),
            "version": Field("version", is_hidden=True),
            "created_at": Field("creation date", instant),
            "changed_at": Field("time of the change", is_hidden=True),
            "deleted_at": _flag("deleted", "restored"),
        },
        begins=False,
        added=lambda row, facts: f"note added: {row['text']}",
    ),
)
