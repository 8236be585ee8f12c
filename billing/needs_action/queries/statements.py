"""The SQL that finds reasons for action: one part for each kind and its index.

A part reads either white labels, each by a partial index up to a cap, or organizations
by their keys, without one. So the cost does not grow with the number of organizations.
"""

from collections.abc import Collection
from dataclasses import dataclass

from billing.models.accounts import LimitKind
from billing.models.adjustments import AWAITING_RESPONSE
from billing.models.alerts import AlertState
from billing.models.discrepancies import DiscrepancyKind
from billing.models.mirrors import LIVE, SubscriptionKind
from billing.models.mirrors import SubscriptionStatus as _Status
from billing.models.webhooks import FAULTS
from billing.needs_action.kinds import GROUPS, ReasonGroup, ReasonKind
from metrics.catalog import STORAGE_METER
from metrics.queries.pushes import FAILING
from orgs.sql import sql_list

KIND_NUMBERS = {kind: number for number, kind in enumerate(ReasonKind)}


@dataclass(frozen=True, slots=True)
class _Part:
    """How the rows of one kind are read.

    `source` is a table `t` with joins; `at` is since when, or when, the row matters,
    and rows are read in its order as far as an index has it. `owner` is the column
    that names the organization.
    """

    kind: ReasonKind
    source: str
    condition: str
    at: str
    order: str = ""
    subject: str = "''"
    amount: str = "null::numeric"
    currency: str = "''"
    value: str = "null::numeric"
    base: str = "null::numeric"
    day: str = "null::date"
    note: str = "''"
    owner: str = "organization_id"

    def render(self, scope: str) -> str:
        """Return the statement of the part for white labels or for organizations."""
        column = "white_label_id" if scope == "white_label" else self.owner
        order = f"order by {self.order}" if self.order else ""
        return f"""
select '{self.kind}', found.* from unnest(%(scope)s::bigint[]) as scope (id)
cross join lateral (
    select o.id, o.name, o.external_id, o.white_label_id, {self.at}, {self.subject},
        {self.amount}, {self.currency}, {self.value}, {self.base}, {self.day},
        {self.note}
    from {self.source} join orgs_organization o on o.id = t.{self.owner}
    where t.{column} = scope.id and o.deleted_at is null and {self.condition}
    {order} limit %(cap)s
) as found
"""  # noqa: S608  only our own texts

    def render_score(self) -> str:
        """Return the statement of what the score of white labels needs of the part.

        Of an entitlement that is its used part. Deleted organizations have an index of
        their own, which is small: it is compared instead of reading organizations.
        """
        order = f"order by {self.order}" if self.order else ""
        used = "0"
        if self.kind in GROUPS[ReasonGroup.ENTITLEMENTS]:
            used = f"""case when {self.value} = 0 then 0
                when {self.base} = 0 then 1 else {self.value} / {self.base} end"""
        return f"""
select {KIND_NUMBERS[self.kind]}, found.* from unnest(%(scope)s::bigint[]) as scope (id)
cross join lateral (
    select t.{self.owner}, t.white_label_id, {self.at} as at, {used} as used
    from {self.source}
    where t.white_label_id = scope.id and {self.condition}
        and t.{self.owner} is not null and not exists (
        select from orgs_organization o where o.white_label_id = t.white_label_id
        and o.id = t.{self.owner} and o.deleted_at is not null)
    {order} limit %(cap)s
) as found
"""  # noqa: S608  only our own texts


def _subscription(
    kind: ReasonKind, condition: str, at: str = "t.status_since", order: str = ""
) -> _Part:
    return _Part(
        kind,
        "billing_subscription t",
        f"t.kind = '{SubscriptionKind.PLATFORM}' and {condition}",
        at,
        order,
        note="t.pause_reason",
    )


def _seats(kind: ReasonKind, status: _Status) -> _Part:
    return _Part(
        kind,
        "billing_subscription t",
        f"t.kind = '{SubscriptionKind.SPACES}' and t.status = '{status}'",
        "t.status_since",
    )


def _discrepancy(kind: ReasonKind, *kinds: DiscrepancyKind) -> _Part:
    return _Part(
        kind,
        "billing_discrepancy t",
        f"t.resolved_at is null and t.kind in {sql_list(kinds)}",
        "t.first_seen_at",
        "t.first_seen_at" if len(kinds) == 1 else "",
        subject="t.stripe_id",
        amount="t.amount",
        currency="t.currency",
        note="t.kind",
    )


def _usage(kind: ReasonKind) -> _Part:
    return _Part(
        kind,
        "billing_usagereason t",
        f"t.kind = '{kind}'",
        "t.since",
        "t.since",
        subject="t.subject",
        value="t.value",
        base="t.base",
        day="t.reached_on",
    )


def _email(kind: ReasonKind, state: AlertState) -> _Part:
    # The condition on states repeats that of the partial index `alert_unsent`.
    return _Part(
        kind,
        "billing_alert t",
        f"t.state = '{state}' and t.state not in"
        f" {sql_list((AlertState.SENT, AlertState.SUPPRESSED))}"
        " and t.reached_at > %(emails_since)s",
        "t.reached_at",
        "t.id desc",
        subject="t.kind",
        note="t.reason",
    )


def _alert(kind: ReasonKind, slug: str, condition: str, day: str) -> _Part:
    return _Part(
        kind,
        "billing_alert t",
        f"t.kind = '{slug}' and t.kind in ('spike', 'stale_data') and {condition}",
        "t.reached_at",
        "t.reached_at desc",
        value="(t.facts->>'value')::numeric",
        base="(t.facts->>'base')::numeric",
        day=f"(t.facts->>'{day}')::date",
    )


# The rule of the access check: no live subscription of the platform, and the newest one
# is a trial that ended without a paid period after it.
_LOST = f"""t.status = '{{status}}' and t.trial_ends_at <= %(now)s
        and coalesce(t.period_ends_at <= t.trial_ends_at, true)
        and t.trial_ends_at {{age}} %(lost_since)s
        and not exists (select from billing_subscription other
            where other.organization_id = t.organization_id and other.kind = t.kind
            and (other.id > t.id or other.status in {sql_list(LIVE)}))"""
_LATEST = "t.trial_ends_at desc"


def _lost(kind: ReasonKind, status: _Status, age: str) -> _Part:
    condition = _LOST.format(status=status, age=age)
    return _subscription(kind, condition, "t.trial_ends_at", _LATEST)


_NAMED_DISCREPANCIES = (
    DiscrepancyKind.CHARGES,
    DiscrepancyKind.TWO_LIVE,
    DiscrepancyKind.UNKNOWN_PRICE,
    DiscrepancyKind.UNSOLD_ITEM,
)
_OTHER_DISCREPANCIES = tuple(
    kind for kind in DiscrepancyKind if kind not in _NAMED_DISCREPANCIES
)
# Paused in Stripe, or with paused collection. Two parts: each has its own index.
_PAUSED_AT = "coalesce(t.paused_at, t.status_since, t.synced_at)"
_K = ReasonKind
_PARTS = (
    # As the access check: a state of another period or version of the limit is stale.
    _Part(
        _K.HARD_LIMIT,
        f"""billing_accessstate t join billing_spendinglimit l
        on l.organization_id = t.organization_id and l.kind = '{LimitKind.HARD}'
        and l.amount > 0 and l.version = t.limit_version
    join billing_billingperiod p on p.organization_id = t.organization_id
        and p.ends_at is null and p.number = t.period""",
        "t.over_since is not null",
        "t.over_since",
        "t.over_since",
        base="l.amount",
    ),
    _subscription(_K.UNPAID, f"t.status = '{_Status.UNPAID}'"),
    _subscription(
        _K.TRIAL_OVER,
        f"t.status = '{_Status.TRIALING}' and t.trial_ends_at <= %(now)s",
        "t.trial_ends_at",
        _LATEST,
    ),
    _Part(
        _K.DISPUTED,
        "billing_invoiceadjustment t",
        f"t.status in {AWAITING_RESPONSE}",
        "t.respond_by_at",
        "t.respond_by_at",
    ),
    _Part(
        _K.OVERDUE,
        "billing_invoice t",
        "t.overdue_from <= %(now)s",
        "t.overdue_from",
        "t.overdue_from",
        subject="t.stripe_id",
        amount="t.amount_remaining",
        currency="t.currency",
    ),
    _discrepancy(_K.UNBILLED, DiscrepancyKind.CHARGES),
    _discrepancy(_K.DUPLICATE, DiscrepancyKind.TWO_LIVE),
    _usage(_K.ENTITLEMENT),
    _subscription(_K.PAUSED, f"t.status = '{_Status.PAUSED}'", _PAUSED_AT),
    _subscription(
        _K.PAUSED,
        f"""t.paused_at is not null and t.status in {sql_list(LIVE)}
        and t.status <> '{_Status.PAUSED}'""",
        "t.paused_at",
        "t.paused_at",
    ),
    _seats(_K.SEATS_UNPAID, _Status.UNPAID),
    _Part(
        _K.PAST_DUE,
        "billing_subscription t",
        f"t.status = '{_Status.PAST_DUE}'",
        "t.status_since",
    ),
    _usage(_K.UNPRICED),
    _discrepancy(
        _K.UNKNOWN_SUBSCRIPTION,
        DiscrepancyKind.UNKNOWN_PRICE,
        DiscrepancyKind.UNSOLD_ITEM,
    ),
    _usage(_K.SOFT_LIMIT),
    _discrepancy(_K.DISCREPANCY, *_OTHER_DISCREPANCIES),
    _alert(_K.SPIKE, "spike", "t.reached_at > %(spikes_since)s", "day"),
    # Until usage is reported again: stored bytes are recorded every day, and no report.
    _alert(
        _K.NO_USAGE,
        "stale_data",
        f"""t.reached_at > %(silent_since)s and not exists (
            select from metrics_usage u where u.organization_id = t.organization_id
            and u.day > (t.facts->>'last_used_on')::date
            and u.meter <> '{STORAGE_METER}')""",
        "last_used_on",
    ),
    _email(_K.EMAIL_FAILED, AlertState.FAILED),
    _Part(
        _K.INTEGRATION_FAILING,
        "metrics_push t join metrics_integration i on i.id = t.integration_id",
        f"{FAILING} and i.paused_at is null",
        "t.failing_since",
        "t.failing_since",
        subject="i.kind",
        note="t.error",
    ),
    _Part(
        _K.WEBHOOK_DISABLED,
        f"""(select w.white_label_id, w.disabled_at,
            coalesce(w.organization_id, l.owner_id) as organization_id,
            coalesce(nullif(w.description, ''), w.url) as name
        from billing_webhookendpoint w join orgs_whitelabel l on l.id = w.white_label_id
        where w.disabled_because in {sql_list(FAULTS)}) t""",  # noqa: S608  ours
        "true",
        "t.disabled_at",
        "t.disabled_at",
        subject="t.name",
    ),
    _usage(_K.ENTITLEMENT_FORECAST),
    _lost(_K.TRIAL_LOST, _Status.CANCELED, ">"),
    _lost(_K.TRIAL_LOST, _Status.INCOMPLETE, ">"),
    _usage(_K.LIMIT_FORECAST),
    _email(_K.NO_RECIPIENT, AlertState.NO_RECIPIENT),
    _subscription(
        _K.TRIAL_ENDING,
        f"""t.status = '{_Status.TRIALING}' and t.trial_ends_at > %(now)s
        and t.trial_ends_at <= %(ends_until)s""",
        "t.trial_ends_at",
        "t.trial_ends_at",
    ),
    _seats(_K.SEATS_PAUSED, _Status.PAUSED),
    _Part(
        _K.INACTIVE,
        "orgs_organization t",
        "not t.is_active and t.deleted_at is null",
        "t.inactive_since",
        "t.inactive_since",
        owner="id",
    ),
    _lost(_K.FORMER_TRIAL, _Status.CANCELED, "<="),
    _lost(_K.FORMER_TRIAL, _Status.INCOMPLETE, "<="),
)


def reasons_statement(kinds: Collection[ReasonKind], *, scope: str) -> str:
    """Return the statement that finds the rows of reasons of these kinds.

    `scope` is `white_label` or `organization`: what the IDs of the parameter `scope`
    are. Further parameters: `cap`, the most rows of each kind and ID, null for all, and
    the instants that `query_parameters` returns.
    """
    parts = [part.render(scope) for part in _PARTS if part.kind in kinds]
    return " union all ".join(f"({part})" for part in parts)


def scores_statement(kinds: Collection[ReasonKind]) -> str:
    """Return the statement of the rows that the scores of white labels are made of.

    Its columns are the number of the kind, organization, white label, instant and used
    part. Parameters are those of `reasons_statement`.
    """
    parts = [part.render_score() for part in _PARTS if part.kind in kinds]
    return " union all ".join(f"({part})" for part in parts)
