"""Template tags that show syncs, discrepancies and webhook events."""

from datetime import datetime, timedelta

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.forecast.templatetags.tiles import Tile
from billing.models import SyncRun
from billing.stripe.queries.sync_health import MAX_COUNT, SyncHealth
from billing.stripe.queries.sync_runs import SyncProgress
from billing.stripe.queries.webhook_events import WebhookEventRow
from orgs.web.templatetags.components import badge
from orgs.web.templatetags.display import (
    UNKNOWN,
    count,
    defined,
    duration,
    moment,
)

register = template.Library()

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STAGES = {
    SyncRun.Stage.CUSTOMERS: "Customers",
    SyncRun.Stage.PRICES: "Prices",
    SyncRun.Stage.SUBSCRIPTIONS: "Subscriptions",
    SyncRun.Stage.INVOICES: "Invoices",
    SyncRun.Stage.CREDIT_NOTES: "Credit notes",
    SyncRun.Stage.REFUNDS: "Refunds",
    SyncRun.Stage.DISPUTES: "Disputes",
    SyncRun.Stage.ENDED: "Finishing",
}


@register.filter
def ago(at: datetime, now: datetime) -> str:
    """Return the age of an instant: `just now`, `3 hours ago`, `4 days ago`."""
    age = max((now - at).total_seconds(), 0)
    if age < _MINUTE:
        return "just now"
    if age < _HOUR:
        return f"{_quantity(int(age // _MINUTE), 'minute')} ago"
    if age < 2 * _DAY:
        return f"{_quantity(int(age // _HOUR), 'hour')} ago"
    return f"{_quantity(int(age // _DAY), 'day')} ago"


@register.filter
def seconds(number: float) -> str:
    """Return a duration: `0.4 s`, `12 s`, `3.5 min`."""
    return duration(round(number, 1) if number < 10 else round(number))  # noqa: PLR2004


def _limited_count(number: int) -> str:
    return f"{MAX_COUNT:,}+" if number >= MAX_COUNT else count(number)


def _quantity(number: int, noun: str) -> str:
    """Return `1 event`, `2 discrepancies`, `1,000+ events`."""
    plural = f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
    return f"{_limited_count(number)} {noun if number == 1 else plural}"


@register.simple_tag
def health_tiles(health: SyncHealth, now: datetime, zone: str) -> list[Tile]:
    """Return the tiles of the Stripe sync page: last sync and counts of open work."""
    return [
        _synced_tile(health, now, zone),
        _discrepancies_tile(health),
        _events_tile(health),
        _failed_jobs_tile(health),
    ]


@register.simple_tag
def health_tile(health: SyncHealth, now: datetime, zone: str, url: str) -> Tile:
    """Return one tile that sums up the sync and links to the Stripe sync page."""
    counts = (
        (health.events_needing_action, "event"),
        (health.failed_jobs, "failed job"),
    )
    parts = [_quantity(number, noun) for number, noun in counts if number]
    verb = "needs" if sum(number for number, _ in counts) == 1 else "need"
    needs_action = f"{' and '.join(parts)} {verb} action" if parts else ""
    tile = _synced_tile(health, now, zone) | {"url": url}
    if health.open_discrepancies:
        comma = "," if needs_action else ""
        text = _quantity(health.open_discrepancies, "open discrepancy")
        tile["strong"] = format_html("{}{}", _discrepancies(health, text), comma)
    if needs_action:
        tile["note"] = needs_action
    if needs_action or health.failing:
        tile["tone"] = "bad"
    elif health.resolvable or health.is_late(now):
        tile["tone"] = "warn"
    return tile


def _synced_tile(health: SyncHealth, now: datetime, zone: str) -> Tile:
    tile: Tile = {"label": "Last synced"}
    if health.synced_at is None or health.never_synced:
        tile |= {"value": UNKNOWN if health.synced_at is None else "Partial"}
        note = f"{_quantity(health.never_synced, 'white label')} never synced"
        tile |= {"note": note if health.never_synced else "No white labels yet"}
    else:
        at = moment(health.synced_at, zone or "UTC")
        tile |= {"value": ago(health.synced_at, now), "note": format_html("{}", at)}
    if health.failing:
        tile |= {"strong": "Last sync failed,", "tone": "bad"}
    elif health.is_late(now):
        tile |= {"strong": "Overdue,", "tone": "warn"}
    if health.running:
        tile |= {"strong": "Sync in progress,"}
    return tile


def _discrepancies_tile(health: SyncHealth) -> Tile:
    value = _discrepancies(health, _limited_count(health.open_discrepancies))
    tile: Tile = {"label": "Open discrepancies", "value": value, "note": "in sync"}
    if health.resolvable:
        number = _limited_count(health.resolvable)
        note = f"the next sync resolves {number}"
        tile |= {"note": note, "tone": "warn"}
    if health.warnings:
        verb = "needs" if health.warnings == 1 else "need"
        strong = f"{_quantity(health.warnings, 'warning')} {verb} action"
        tile |= {"strong": strong, "note": tile["note"] if health.resolvable else ""}
    return tile


def _discrepancies(health: SyncHealth, text: str) -> SafeString:
    """Return a text about the open discrepancies, with the definition of the number."""
    number = "stripe.open_discrepancies"
    return defined(text, health.open_discrepancies, number=number, of="visible")


def _events_tile(health: SyncHealth) -> Tile:
    number = health.events_needing_action
    queued = f"{_quantity(health.queued_events, 'event')} queued"
    tile: Tile = {"label": "Events needing action", "value": _limited_count(number)}
    tile |= {"note": queued if health.queued_events else "queue empty"}
    return tile | {"tone": "bad"} if number else tile


def _failed_jobs_tile(health: SyncHealth) -> Tile:
    tile: Tile = {"label": "Failed jobs", "value": _limited_count(health.failed_jobs)}
    tile |= {"note": "retries exhausted"}
    return tile | {"tone": "bad"} if health.failed_jobs else tile


@register.simple_tag
def run_badge(run: SyncProgress | None) -> SafeString:
    if run is None:
        return badge("Never run")
    match run.state:
        case SyncRun.State.PENDING:
            return badge("Queued" if run.started_at is None else "Retrying soon")
        case SyncRun.State.RUNNING:
            return badge("Running", "warn")
        case SyncRun.State.FAILED:
            return badge("Failed", "bad")
    return badge("Done", "warn" if run.errors else "good")


@register.simple_tag
def run_stage(run: SyncProgress) -> str:
    if run.state == SyncRun.State.PENDING and run.started_at is None:
        return "Queued"
    return _STAGES[SyncRun.Stage(run.stage)]


@register.simple_tag
def run_rate(run: SyncProgress) -> str:
    """Return the rate of a run: `120 per second · about 4 s left · 0 errors`."""
    parts = [f"{count(round(run.rate))} per second"]
    if run.remaining is not None and run.remaining > timedelta(0):
        parts.append(f"about {seconds(run.remaining.total_seconds())} left")
    if run.discrepancy_count:
        parts.append(_quantity(run.discrepancy_count, "discrepancy"))
    parts.append(_quantity(run.errors, "error"))
    return " · ".join(parts)


@register.simple_tag
def run_result(run: SyncProgress) -> str:
    """Return the result of a run: `783 read in 4.1 s, 2 written, 5 discrepancies`."""
    parts = [f"{count(run.done)} read in {seconds(run.duration_seconds)}"]
    parts.append(f"{count(run.written)} written" if run.repairs else "none written")
    parts.append(_quantity(run.discrepancy_count, "discrepancy"))
    if run.errors:
        parts.append(_quantity(run.errors, "error"))
    return ", ".join(parts)


@register.simple_tag
def run_toast(run: SyncProgress) -> dict[str, str]:
    """Return the toast for a run that has ended."""
    if run.state == SyncRun.State.FAILED:
        return {
            "text": f"Sync of {run.white_label_name} failed.",
            "tone": "warning",
        }
    text = f"{run.white_label_name} synced: {run_result(run)}."
    if not run.repairs:
        text = f"Dry run of {run.white_label_name}: {run_result(run)}."
    return {"text": text, "tone": "success"}


@register.simple_tag
def warning_advice(kind: str) -> str:
    """Return how a person can resolve a warning of this kind."""
    return {
        "unknown_price": "In Stripe, set kind and tier in the product's metadata.",
        "unreadable": "Change it in Stripe, or update Orgdesk. The next sync reads it"
        " again.",
        "unsold_item": "Stripe bills it by itself. To sell it with Orgdesk, set kind"
        " and tier in the product's metadata in Stripe.",
        "two_live": "In Stripe, cancel the subscription that is not used.",
        "no_organization": "Link it on an organization's Billing tab, or ignore it.",
        "charges": "Open the period of the invoice: charge it again or write it off.",
        "no_customer": "Unlink it on the Billing tab, then link or create another.",
    }.get(kind, "")


@register.simple_tag
def event_badge(row: WebhookEventRow) -> SafeString:
    label, tone = _EVENTS.get(row.state, (row.state, ""))
    return badge(label, tone)


_EVENTS = {
    "pending": ("Queued", ""),
    "running": ("Processing", "warn"),
    "done": ("Done", "good"),
    "parked": ("Needs review", "warn"),
    "failed": ("Failed", "bad"),
    "ignored": ("Ignored", ""),
}


@register.filter
def last_line(text: str) -> str:
    """Return the last line of a traceback, which names the error."""
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else ""
