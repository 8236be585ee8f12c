"""Declarations of the tables of people, projects, API keys, alerts, and refusals."""

from typing import Any

from django.db.models import F, QuerySet

from billing.exports.queries.billing_tables import numbered
from billing.exports.queries.model_tables import ModelTable
from billing.exports.queries.tables import Amounts, Level, Selection
from billing.models import Alert, AlertEmailRecipient
from billing.models.refusals import RefusalReason
from orgs.catalog import Scope
from orgs.errors import DomainError
from orgs.models import ApiKey, Member, Project

# The tab of alerts whose email is on its way has two states.
_ALERT_STATES = {state: (state,) for state in Alert.State.values} | {
    "open": (Alert.State.PENDING, Alert.State.SENDING)
}


def _alert_tab(rows: "QuerySet[Any]", value: str, _: Selection) -> "QuerySet[Any]":
    if value not in _ALERT_STATES:
        message = f"Unknown state. Use one of: {', '.join(_ALERT_STATES)}."
        raise DomainError(message, fields=("state",))
    return rows.filter(state__in=_ALERT_STATES[value])


_ACTIVE_FIRST = (F("deleted_at").desc(nulls_first=True), "added_at", "pk")
_READ = Scope.ORGANIZATIONS_READ

MEMBERS = ModelTable(
    slug="members",
    title="Members",
    rows=Member.objects.all,
    columns={
        "id": "pk",
        "external_id": "external_id",
        "name": "name",
        "email": "email",
        "role": "role",
        "is_staff": "is_staff",
        "added_at": "added_at",
        "removed_at": "deleted_at",
    },
    order=_ACTIVE_FIRST,
    dated_by="added_at",
    scope=_READ,
)
PROJECTS = ModelTable(
    slug="projects",
    title="Projects",
    rows=Project.objects.all,
    columns={
        "id": "pk",
        "external_id": "external_id",
        "name": "name",
        "is_public": "is_public",
        "added_at": "added_at",
        "deleted_at": "deleted_at",
    },
    order=_ACTIVE_FIRST,
    dated_by="added_at",
    scope=_READ,
)
# The hash of a key is a secret, too; its first characters are what the page shows.
API_KEYS = ModelTable(
    slug="api-keys",
    title="API keys",
    rows=ApiKey.objects.all,
    white_label="white_label",
    columns={
        "id": "pk",
        "name": "name",
        "start": "start",
        "scopes": "scopes",
        "address_ranges": "address_ranges",
        "created_by": "created_by__username",
        "created_at": "created_at",
        "last_used_at": "last_used_at",
        "last_used_address": "last_used_address",
        "expires_at": "expires_at",
        "revoked_at": "revoked_at",
    },
    scope=_READ,
    levels=frozenset({Level.FLEET}),
    permission="orgs.view_apikey",
)
ALERTS = ModelTable(
    slug="alerts",
    title="Alerts",
    rows=Alert.objects.all,
    white_label="white_label",  # its own column, which an index begins with
    columns={
        "id": "pk",
        "kind": "kind",
        "subject": "subject",
        "threshold": "threshold",
        "period": "period",
        "billing_period": "billing_period",
        "reached_at": "reached_at",
        "state": "state",
        "reason": "reason",
        "main_causes": "facts__causes",
        "sent_at": "sent_at",
    },
    dated_by="reached_at",
    amounts=Amounts.RECORDED,
    filters={"state": _alert_tab},
)
ALERT_EMAILS = ModelTable(
    slug="alert-emails",
    title="Alert emails",
    rows=AlertEmailRecipient.objects.filter(
        alert_email__organization__isnull=False
    ).all,
    owner="alert_email__organization",
    columns={
        "alert_id": "alert_email__alert_id",
        "kind": "alert_email__kind",
        "email_number": "alert_email__number",
        "message_id": "alert_email__message_id",
        "requested_by": "alert_email__requested_by",
        "created_at": "alert_email__created_at",
        "email_state": "alert_email__state",
        "attempts": "alert_email__attempts",
        "address": "address",
        "state": "state",
        "smtp_code": "smtp_code",
        "reason": "reason",
        "finished_at": "finished_at",
    },
    dated_by="alert_email__created_at",
    filters={"alert": numbered("alert", "alert_email__alert_id")},
)
REFUSALS = ModelTable(
    slug="refusals",
    title="Refused access",
    rows=RefusalReason.objects.all,
    owner="refusal__organization",
    columns={
        "refusal_id": "refusal_id",
        "refused_from": "refusal__started_at",
        "refused_until": "refusal__ended_at",
        "reason": "code",
        "reason_from": "started_at",
        "reason_until": "ended_at",
        "lifting": "lifting",
        "lifted_by": "lifted_by",
        "note": "note",
    },
    order=("-refusal_id", "pk"),
    dated_by="started_at",
    scope=_READ,
)

MODEL_TABLES = (
    MEMBERS,
    PROJECTS,
    API_KEYS,
    ALERTS,
    ALERT_EMAILS,
    REFUSALS,
)
