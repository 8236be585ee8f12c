"""Syncs, differences and events in words."""

from datetime import datetime, timedelta

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.models import SyncRun
from billing.queries.health import MANY, SyncHealth
from billing.queries.inbox import InboxRow
from billing.queries.sync import SyncProgress
from billing.templatetags.tiles import Tile
from orgs.templatetags.components import badge
from orgs.templatetags.display import UNKNOWN, count, duration, moment

register = template.Library()

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STAGES = {
    SyncRun.Stage.CUSTOMERS: "Customers",
    SyncRun.Stage.PRICES: "Prices",
    SyncRun.Stage.SUBSCRIPTIONS: "Subscriptions",
    SyncRun.Stage.INVOICES: "Invoices",
    SyncRun.Stage.ENDED: "The end",
}


@register.filter
def ago(at: datetime, now: datetime) -> str:
    """`just now`, `12 min ago`, `3 h ago`, `4 days ago`."""
    passed = max((now - at).total_seconds(), 0)
    if passed < _MINUTE:
        return "just now"
    if passed < _HOUR:
        return f"{int(passed // _MINUTE)} min ago"
    if passed < 2 * _DAY:
        return f"{int(passed // _HOUR)} h ago"
    return f"{int(passed // _DAY)} days ago"


@register.filter
def seconds(number: float) -> str:
    """`0.4 s`, `12 s`, `3.5 min`."""
    return duration(round(number, 1) if number < 10 else round(number))  # noqa: PLR2004


def _many(number: int) -> str:
    return f"{MANY:,}+" if number >= MANY else count(number)


def _nouns(number: int, noun: str) -> str:
    return f"{_many(number)} {noun}{'' if number == 1 else 's'}"


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
            (health.failed, "failed task"),
        )
        if number
    ]
    waits = f"{' and '.join(needs)} for somebody" if needs else ""
    tile = _read(health, now, zone) | {"url": url}
    if health.drift:
        tile["strong"] = _nouns(health.drift, "difference")
    if waits:
        tile["note"] = waits if not health.drift else f"and {waits}"
    if needs or health.failing:
        tile["tone"] = "bad"
    elif health.differences or health.is_late(now):
        tile["tone"] = "warn"
    return tile


def _read(health: SyncHealth, now: datetime, zone: str) -> Tile:
    tile: Tile = {"label": "Last read from Stripe"}
    if health.synced_at is None or health.never:
        tile |= {"value": UNKNOWN if health.synced_at is None else "In part"}
        tile |= {"note": f"{_nouns(health.never, 'white label')} never read"}
    else:
        at = moment(health.synced_at, zone or "UTC")
        tile |= {"value": ago(health.synced_at, now), "note": format_html("{}", at)}
    if health.failing:
        tile |= {"strong": "The last run failed,", "tone": "bad"}
    elif health.is_late(now):
        tile |= {"strong": "Late,", "tone": "warn"}
    if health.running:
        tile |= {"strong": "A run goes on,"}
    return tile


def _drift(health: SyncHealth) -> Tile:
    tile: Tile = {"label": "Differences", "value": _many(health.differences)}
    if health.differences:
        tile |= {"note": "a sync heals them", "tone": "warn"}
    else:
        tile |= {"note": "what we say is what Stripe says"}
    if health.warnings:
        tile |= {"strong": _nouns(health.warnings, "warning"), "note": "for somebody"}
    return tile


def _inbox(health: SyncHealth) -> Tile:
    waiting = f"{_nouns(health.waiting, 'event')} on the way"
    tile: Tile = {"label": "Events for somebody", "value": _many(health.needy)}
    tile |= {"note": waiting if health.waiting else "nothing waits"}
    return tile | {"tone": "bad"} if health.needy else tile


def _failed(health: SyncHealth) -> Tile:
    tile: Tile = {"label": "Failed tasks", "value": _many(health.failed)}
    tile |= {"note": "charges, actions and jobs that were given up"}
    return tile | {"tone": "bad"} if health.failed else tile


# --- a run --------------------------------------------------------------------------


@register.simple_tag
def run_badge(run: SyncProgress | None) -> SafeString:
    if run is None:
        return badge("Never")
    match run.state:
        case SyncRun.State.PENDING:
            return badge("Waiting" if run.started_at is None else "Tried again soon")
        case SyncRun.State.RUNNING:
            return badge("Running", "warn")
        case SyncRun.State.FAILED:
            return badge("Failed", "bad")
    return badge("Done", "warn" if run.errors else "good")


@register.simple_tag
def run_stage(run: SyncProgress) -> str:
    if run.state == SyncRun.State.PENDING and run.started_at is None:
        return "Waits for a worker"
    return _STAGES[SyncRun.Stage(run.stage)]


@register.simple_tag
def run_pace(run: SyncProgress) -> str:
    """`120 a second · about 4 s left · 2 differ · 0 unreadable`."""
    parts = [f"{count(round(run.rate))} a second"]
    if run.remaining is not None and run.remaining > timedelta(0):
        parts.append(f"about {seconds(run.remaining.total_seconds())} left")
    if run.drifted:
        parts.append(f"{count(run.drifted)} differ")
    parts.append(f"{count(run.errors)} errors")
    return " · ".join(parts)


@register.simple_tag
def run_ended(run: SyncProgress) -> str:
    """`783 read in 4.1 s, 2 written, 5 differed`."""
    parts = [f"{count(run.done)} read in {seconds(run.seconds)}"]
    parts.append(f"{count(run.written)} written" if run.heals else "nothing written")
    parts.append(f"{count(run.drifted)} differed")
    if run.errors:
        parts.append(f"{count(run.errors)} could not be read")
    return ", ".join(parts)


@register.simple_tag
def run_told(run: SyncProgress) -> dict[str, str]:
    """A toast's words."""
    if run.state == SyncRun.State.FAILED:
        return {
            "text": f"The sync of {run.white_label_name} failed.",
            "tone": "warning",
        }
    text = f"{run.white_label_name} is in step: {run_ended(run)}."
    if not run.heals:
        text = f"{run.white_label_name} is compared: {run_ended(run)}."
    return {"text": text, "tone": "success"}


# --- differences and events ---------------------------------------------------------


@register.simple_tag
def what_to_do(kind: str) -> str:
    """For a warning: only a person can."""
    return {
        "unknown_price": "In Stripe, give the product of the price its kind and tier.",
        "two_live": "Cancel the one that is not used in Stripe.",
        "no_organization": "Link it on an organization's billing tab, or leave it.",
        "no_customer": "Unlink it on the billing tab; then link or make another.",
    }.get(kind, "")


@register.simple_tag
def event_badge(row: InboxRow) -> SafeString:
    label, tone = _EVENTS.get(row.state, (row.state, ""))
    return badge(label, tone)


_EVENTS = {
    "pending": ("Waiting", ""),
    "processing": ("Being handled", "warn"),
    "done": ("Done", "good"),
    "parked": ("Parked", "warn"),
    "failed": ("Failed", "bad"),
    "ignored": ("Ignored", ""),
}


@register.filter
def last_line(text: str) -> str:
    """Of a traceback: what went wrong, not where."""
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else ""
