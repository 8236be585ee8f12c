"""Authentication, permissions and rate limits of everyone who uses Orgdesk."""

from orgs.access.api_access import (
    billed_organization,
    called_organization,
    called_white_label,
    caller,
    inner_organization,
    own_organization,
    principal,
)
from orgs.access.api_auth import Credential, needs
from orgs.access.credentials import (
    authenticate,
    issue_token,
    log_in,
    principal_of_owner,
)
from orgs.access.idempotency import idempotent
from orgs.access.limits import count_call
from orgs.access.parameters import DELETED, require_known, with_parameters
from orgs.access.permissions import (
    get_billed_organization,
    get_organization,
    get_white_label,
    row_id,
    visible,
    visible_white_labels,
)
from orgs.access.principals import Principal, principal_of
from orgs.access.reauthentication import (
    recently_authenticated,
    require_recent_authentication,
)

__all__ = [
    "DELETED",
    "Credential",
    "Principal",
    "authenticate",
    "billed_organization",
    "called_organization",
    "called_white_label",
    "caller",
    "count_call",
    "get_billed_organization",
    "get_organization",
    "get_white_label",
    "idempotent",
    "inner_organization",
    "issue_token",
    "log_in",
    "needs",
    "own_organization",
    "principal",
    "principal_of",
    "principal_of_owner",
    "recently_authenticated",
    "require_known",
    "require_recent_authentication",
    "row_id",
    "visible",
    "visible_white_labels",
    "with_parameters",
]
