"""Tables of all organizations: the list, costs, usage, and what needs action."""

from collections.abc import Iterator, Sequence

from billing.console.forms import allowed_columns, read_filters, read_fleet_scope
from billing.console.queries.organization_list import (
    COLUMNS,
    FleetFilters,
    iterate_rows,
    list_ids,
)
from billing.console.queries.scope import FleetScope
from billing.console.schemas import (
    ORGANIZATION_COLUMNS,
    organization_cells,
    organization_columns,
)
from billing.exports.queries.exports import visible_exports
from billing.exports.queries.tables import (
    Amounts,
    Level,
    Row,
    Selection,
    Span,
    Table,
    as_row,
)
from billing.exports.queries.usage_tables import RANGE
from billing.needs_action.forms import read_need_filters
from billing.needs_action.queries.overview import list_ending_trials
from billing.needs_action.queries.reasons import (
    OrganizationInNeed,
    count_reason_rows,
    find_needs,
)
from billing.needs_action.schemas import NEEDS_COLUMNS, needs_rows
from billing.stripe.queries.failed_jobs import list_failed_jobs
from metrics.catalog import METERS
from metrics.forms import ChartQuery
from metrics.queries.fleet_series import FleetTotals, fleet_series, fleet_totals
from metrics.queries.series import Series
from metrics.queries.unpriced import (
    list_fleet_unpriced,
    list_unpriced_organizations,
)
from metrics.schemas.costs_csv import COST_COLUMNS, cost_rows
from orgs.catalog import Scope
from orgs.days import first_instant
from orgs.errors import DomainError
from orgs.models import Organization
from orgs.models.organizations import OrganizationQuerySet

_FLEET = frozenset({Level.FLEET})
_SCOPE = frozenset({"white_label", "currency"})
_OWNER = (
    "white_label",
    "organization_id",
    "organization_external_id",
    "organization",
)


def _visible(selection: Selection) -> OrganizationQuerySet:
    organizations = Organization.objects.all()
    if selection.sees_all and not selection.query.get("white_label"):
        return organizations
    return organizations.filter(white_label__in=selection.white_label_ids)


def _list_filters(selection: Selection) -> FleetFilters:
    return read_filters(selection.query, selection.white_labels, selection.scopes)


def _organization_keys(selection: Selection, limit: int | None) -> Sequence[int]:
    filters = _list_filters(selection)
    return list_ids(_visible(selection), filters, limit)


def _organizations(selection: Selection, keys: Sequence[int]) -> Iterator[Row]:
    shows_money = Scope.BILLING_READ in selection.scopes
    for row in iterate_rows(_visible(selection), keys, shows_money=shows_money):
        yield organization_cells(row)


def _organization_columns(selection: Selection) -> tuple[str, ...]:
    """Return the columns that the list shows; all that may be if none are chosen."""
    if not selection.query.get("columns"):
        return organization_columns(allowed_columns(COLUMNS, selection.scopes))
    return organization_columns(_list_filters(selection).columns)


def _fleet_scope(selection: Selection) -> FleetScope:
    """Return the white labels of one currency whose amounts the overview adds up."""
    return read_fleet_scope(selection.query, selection.white_labels)


def _chart_query(selection: Selection) -> ChartQuery:
    query = ChartQuery.read(
        selection.query,
        today=_fleet_scope(selection).today(selection.now),
        period_starts_on=None,
    )
    if query.problem:
        raise DomainError(query.problem, code="invalid_range", fields=("range",))
    return query


def _chart_span(selection: Selection) -> Span:
    days, zone = _chart_query(selection).selected.range, selection.zone
    return Span(first_instant(days.start, zone), first_instant(days.end, zone))


def _series(selection: Selection) -> Series:
    return fleet_series(_fleet_scope(selection).ids, _chart_query(selection).filters())


def _costs(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    return cost_rows(_series(selection), _fleet_scope(selection).currency)


def _totals(selection: Selection) -> FleetTotals:
    scope = _fleet_scope(selection)
    return fleet_totals(scope.ids, before=scope.first_open_day(selection.now))


def _totals_span(selection: Selection) -> Span:
    days, zone = _totals(selection).range, selection.zone
    return Span(first_instant(days.start, zone), first_instant(days.end, zone))


def _usage(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    currency = _fleet_scope(selection).currency
    for meter in _totals(selection).meters:
        unit = METERS[meter.slug].unit.value if meter.slug in METERS else ""
        yield [
            *(meter.slug, meter.name, unit),
            *(meter.now.quantity, meter.before.quantity, meter.quantity.growth),
            *(meter.now.unpriced_quantity, meter.now.cost, meter.before.cost),
            currency,
        ]


def _needs_action(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    """Yield all reasons that pass the filters: the file has no cap."""
    labels = {label.pk: label for label in selection.white_labels}
    needs = find_needs(list(labels), now=selection.now, cap=None)
    selected = needs.select(read_need_filters(selection.query))
    for row in needs_rows(selected, labels, selection.now):
        yield as_row(row, selection.zone)


def _count_needs(selection: Selection, limit: int | None) -> int:
    """Return about how many rows there are, so that a web process never reads most."""
    return count_reason_rows(
        selection.white_label_ids,
        now=selection.now,
        kinds=read_need_filters(selection.query).selected_kinds,
        limit=limit,
    )


def _trials(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    scope = _fleet_scope(selection)
    for row, reason in list_ending_trials(scope.ids, now=selection.now):
        values = (*_owner(row, scope), reason.at)
        yield as_row(values, selection.zone)


def _owner(row: OrganizationInNeed, scope: FleetScope) -> tuple[str | int, ...]:
    label = scope.get(row.white_label_id)
    return (label.slug, row.organization_id, row.external_id, row.name)


def _unpriced(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    labels = {label.pk: label.slug for label in selection.white_labels}
    for line in list_fleet_unpriced(labels, limit=None):
        yield [
            labels[line.white_label_id],
            line.product,
            line.meter,
            line.quantity,
            line.organizations,
            line.since,
        ]


def _unpriced_organizations(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    label, (product, meter) = selection.white_labels[0], _unpriced_line(selection)
    for row in list_unpriced_organizations(label.pk, product, meter, limit=None):
        yield [
            *(label.slug, row.organization_id, row.external_id, row.name),
            *(product, meter, row.quantity, row.since),
        ]


def _unpriced_line(selection: Selection) -> tuple[str, str]:
    """Return the product and meter of the parameters; all three are required."""
    names = ("white_label", "product", "meter")
    missing = [name for name in names if not selection.query.get(name)]
    if missing:
        message = f"Choose {', '.join(missing)}."
        raise DomainError(message, fields=tuple(missing))
    return selection.query.get("product", ""), selection.query.get("meter", "")


def _failed_jobs(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    for job in list_failed_jobs(selection.white_labels, limit=None):
        values = (
            *(job.organization_id, job.organization_name),
            *(job.kind, job.id, job.title, job.attempts, job.code, job.reason),
            job.failed_at,
        )
        yield as_row(values, selection.zone)


def _exports(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    rows = visible_exports(selection.owner, selection.white_label_ids)
    for export in rows.iterator():
        values = (
            *(export.pk, export.table, export.organization_id, export.query),
            *(export.state, export.error_code, export.created_at, export.finished_at),
            *(export.expires_at, export.rows, export.size, export.sha256),
        )
        yield as_row(values, selection.zone)


ORGANIZATIONS = Table(
    slug="organizations",
    title="Organizations",
    columns=ORGANIZATION_COLUMNS,
    rows=_organizations,
    scope=Scope.ORGANIZATIONS_READ,
    keys=_organization_keys,
    levels=_FLEET,
    amounts=Amounts.ESTIMATE,
    parameters=frozenset(
        ("q", "state", "sort", "reason", "tier", "status", "activity", "columns")
    ),
    check=_list_filters,
    choose=_organization_columns,
)
FLEET_TABLES = (
    ORGANIZATIONS,
    Table(
        slug="fleet-costs",
        title="Costs of all organizations",
        columns=COST_COLUMNS,
        rows=_costs,
        levels=_FLEET,
        amounts=Amounts.ESTIMATE,
        parameters=RANGE | _SCOPE,
        check=_chart_query,
        span=_chart_span,
    ),
    Table(
        slug="fleet-usage",
        title="Usage of all organizations",
        columns=(
            *("meter", "name", "unit", "last_30_days", "previous_30_days", "change"),
            *("unpriced_quantity", "cost", "previous_cost", "currency"),
        ),
        rows=_usage,
        levels=_FLEET,
        amounts=Amounts.ESTIMATE,
        parameters=_SCOPE,
        check=_fleet_scope,
        span=_totals_span,
    ),
    Table(
        slug="needs-action",
        title="Needs action",
        columns=NEEDS_COLUMNS,
        rows=_needs_action,
        count=_count_needs,
        levels=_FLEET,
        amounts=Amounts.MIXED,
        parameters=frozenset({"reason", "severity", "snoozed"}),
        check=lambda selection: read_need_filters(selection.query),
    ),
    Table(
        slug="trials-ending",
        title="Trials ending",
        columns=(*_OWNER, "ends_at"),
        rows=_trials,
        levels=_FLEET,
        parameters=_SCOPE,
        check=_fleet_scope,
    ),
    Table(
        slug="unpriced",
        title="Usage without a price",
        columns=(
            *("white_label", "product", "meter", "quantity", "organizations"),
            "since",
        ),
        rows=_unpriced,
        levels=_FLEET,
        amounts=Amounts.RECORDED,
        parameters=frozenset({"white_label"}),
    ),
    Table(
        slug="unpriced-organizations",
        title="Organizations with usage without a price",
        columns=(*_OWNER, "product", "meter", "quantity", "since"),
        rows=_unpriced_organizations,
        levels=_FLEET,
        amounts=Amounts.RECORDED,
        parameters=frozenset({"white_label", "product", "meter"}),
        check=_unpriced_line,
    ),
    Table(
        slug="failed-jobs",
        title="Failed jobs",
        columns=(
            *("organization_id", "organization", "type", "id", "title", "attempts"),
            *("code", "reason", "failed_at"),
        ),
        rows=_failed_jobs,
        levels=_FLEET,
        parameters=frozenset({"white_label"}),
    ),
    Table(
        slug="exports",
        title="Exports",
        columns=(
            *("id", "table", "organization_id", "parameters", "state", "error_code"),
            *("requested_at", "finished_at", "expires_at", "rows", "bytes", "sha256"),
        ),
        rows=_exports,
        scope=Scope.ORGANIZATIONS_READ,
        levels=_FLEET,
    ),
)
