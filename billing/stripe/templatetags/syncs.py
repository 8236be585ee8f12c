"""Syncs, differences and events in words."""

from datetime import datetime, timedelta

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.forecast.templatetags.tiles import Tile
from billing.models import SyncRun
from billing.stripe.queries.sync_health import MANY, SyncHealth
from billing.stripe.queries.sync_runs import SyncProgress
from billing.stripe.queries.webhook_events import EventRow
from orgs.web.templatetags.components import badge
from orgs.web.templatetags.display import UNKNOWN, count, duration, moment

register = template.Library()

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STAGES = {
    SyncRun.Stage.CUSTOMERS: "Customers",
    SyncRun.Stage.PRICES: "Prices",
    SyncRun.Stage.SUBSCRIPTIONS: "Subscriptions",
    SyncRun.Stage.INVOICES: "Invoices",
    SyncRun.Stage.ENDED: "Finishing",
}


@register.filter
def ago(at: datetime, now: datetime) -> str:
    """Return how long ago it was: `just now`, `3 hours ago`, `4 days ago`."""
    passed = max((now - at).total_seconds(), 0)
    if passed < _MINUTE:
        return "just now"
    if passed < _HOUR:
        return f"{_nouns(int(passed // _MINUTE), 'minute')} ago"
    if passed < 2 * _DAY:
        return f"{_nouns(int(passed // _HOUR), 'hour')} ago"
    return f"{_nouns(int(passed // _DAY), 'day')} ago"


@register.filter
def seconds(number: float) -> str:
    """`0.4 s`, `12 s`, `3.5 min`."""
    return duration(round(number, 1) if number < 10 else round(number))  # noqa: PLR2004


def _many(number: int) -> str:
    return f"{MANY:,}+" if number >= MANY else count(number)


def _nouns(number: int, noun: str) -> str:
    """Return `1 event`, `2 discrepancies`, `1,000+ events`."""
    plural = f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
    return f"{_many(number)} {noun if number == 1 else plural}"


# --- tiles --------------------------------------------------------------------------


@register.simple_tag
def health_tiles(health: SyncHealth, now: datetime, zone: str) -> list[Tile]:
    """When all was read last, what differs, what waits for a person."""
    return [_read(health, now, zone), _drift(health), _inbox(health), _failed(health)]


@register.simple_tag
def health_tile(health: SyncHealth, now: datetime, zone: str, url: str) -> Tile:
    """All of it in one tile that leads to the rest."""
    needs = [
        _nouns(number, noun)
        for number, noun in (
            (health.needy, "event"),
            (health.failed, "failed job"),
        )
        if number
    ]
    verb = "needs" if health.needy + health.failed == 1 else "need"
    waits = f"{' and '.join(needs)} {verb} action" if needs else ""
    tile = _read(health, now, zone) | {"url": url}
    if health.discrepancy:
        more = "," if waits else ""
        tile["strong"] = _nouns(health.discrepancy, "discrepancy") + more
    if waits:
        tile["note"] = waits
    if needs or health.failing:
        tile["tone"] = "bad"
    elif health.differences or health.is_late(now):
        tile["tone"] = "warn"
    return tile


def _read(health: SyncHealth, now: datetime, zone: str) -> Tile:
    tile: Tile = {"label": "Last synced"}
    if health.synced_at is None or health.never:
        tile |= {"value": UNKNOWN if health.synced_at is None else "Partial"}
        never = f"{_nouns(health.never, 'white label')} never synced"
        tile |= {"note": never if health.never else "No white labels yet"}
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


def _drift(health: SyncHealth) -> Tile:
    tile: Tile = {"label": "Discrepancies", "value": _many(health.differences)}
    if health.differences:
        tile |= {"note": "the next sync resolves them", "tone": "warn"}
    else:
        tile |= {"note": "in sync"}
    if health.warnings:
        tile |= {"strong": _nouns(health.warnings, "warning"), "note": "need action"}
    return tile


def _inbox(health: SyncHealth) -> Tile:
    waiting = f"{_nouns(health.waiting, 'event')} queued"
    tile: Tile = {"label": "Events needing action", "value": _many(health.needy)}
    tile |= {"note": waiting if health.waiting else "queue empty"}
    return tile | {"tone": "bad"} if health.needy else tile


def _failed(health: SyncHealth) -> Tile:
    tile: Tile = {"label": "Failed jobs", "value": _many(health.failed)}
    tile |= {"note": "retries exhausted"}
    return tile | {"tone": "bad"} if health.failed else tile


# --- a run --------------------------------------------------------------------------


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
def run_pace(run: SyncProgress) -> str:
    """Return the rate: `120 per second · about 4 s left · 0 errors`."""
    parts = [f"{count(round(run.rate))} per second"]
    if run.remaining is not None and run.remaining > timedelta(0):
        parts.append(f"about {seconds(run.remaining.total_seconds())} left")
    if run.discrepancy_count:
        parts.append(_nouns(run.discrepancy_count, "discrepancy"))
    parts.append(_nouns(run.errors, "error"))
    return " · ".join(parts)


@register.simple_tag
def run_ended(run: SyncProgress) -> str:
    """Return the result: `783 read in 4.1 s, 2 written, 5 discrepancies`."""
    parts = [f"{count(run.done)} read in {seconds(run.seconds)}"]
    parts.append(f"{count(run.written)} written" if run.repairs else "none written")
    parts.append(_nouns(run.discrepancy_count, "discrepancy"))
    if run.errors:
        parts.append(_nouns(run.errors, "error"))
    return ", ".join(parts)


@register.simple_tag
def run_told(run: SyncProgress) -> dict[str, str]:
    """Return the toast for a run that has ended."""
    if run.state == SyncRun.State.FAILED:
        return {
            "text": f"Sync of {run.white_label_name} failed.",
            "tone": "warning",
        }
    text = f"{run.white_label_name} synced: {run_ended(run)}."
    if not run.repairs:
        text = f"Dry run of {run.white_label_name}: {run_ended(run)}."
    return {"text": text, "tone": "success"}


# --- differences and events ---------------------------------------------------------


@register.simple_tag
def what_to_do(kind: str) -> str:
    """For a warning: only a person can."""
    return {
        "unknown_price": "In Stripe, set kind and tier in the product's metadata.",
        "two_live": "In Stripe, cancel the subscription that is not used.",
        "no_organization": "Link it on an organization's Billing tab, or ignore it.",
        "no_customer": "Unlink it on the Billing tab, then link or create another.",
    }.get(kind, "")


@register.simple_tag
def event_badge(row: EventRow) -> SafeString:
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
    """Of a traceback: what went wrong, not where."""
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else ""
