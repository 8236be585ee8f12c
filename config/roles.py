"""What each role may do, as Django groups; brought in line after every migrate.

Roles add up. Operators may do what no other role may; superusers stay the few who
manage accounts.
"""

from django.contrib.auth.models import Group, Permission
from django.db import transaction

_VIEWED = (
    "orgs.organization", "orgs.entitlements", "orgs.member", "orgs.project",
    "orgs.note", "orgs.whitelabel",
)  # fmt: skip
_MONEY = (
    "billing.billingaccount", "billing.billingperiod", "billing.invoice",
    "billing.spendinglimit", "billing.subscription", "metrics.rate",
    "billing.customerlink",
)  # fmt: skip
_PEOPLE = ("orgs.entitlements", "orgs.member", "orgs.project")


def _may(verb: str, models: tuple[str, ...]) -> set[str]:
    return {f"{m.split('.')[0]}.{verb}_{m.split('.')[1]}" for m in models}


_VIEWER = _may("view", _VIEWED) | _may("view", _MONEY)
_SUPPORT = (
    _VIEWER | _may("change", ("orgs.organization",)) | _may("add", _PEOPLE)
    | _may("change", (*_PEOPLE, "metrics.integration"))
    | _may("add", ("orgs.note", "billing.customerlink"))
)  # fmt: skip
_FINANCE = (
    _VIEWER | _may("add", ("billing.spendinglimit", "metrics.rate", "orgs.note"))
    | _may("add", ("billing.customerlink",))
    | _may("change", ("billing.spendinglimit", "billing.billingaccount"))
)  # fmt: skip
_OPERATOR = (
    _SUPPORT | _FINANCE | _may("view", ("orgs.apikey", "orgs.securityevent"))
    | _may("add", ("orgs.organization", "orgs.apikey", "orgs.whitelabel"))
    | _may("change", ("orgs.apikey", "orgs.note", "orgs.whitelabel"))
    | _may("add", ("billing.billingaccount", "orgs.viewas"))
)  # fmt: skip

ROLES = {
    "viewer": _VIEWER,
    "support": _SUPPORT,
    "finance": _FINANCE,
    "operator": _OPERATOR,
}


@transaction.atomic
def fill_roles() -> None:
    """Give each group exactly its permissions; missing ones are an error of ours."""
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    for name, permissions in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(known[permission] for permission in sorted(permissions))
