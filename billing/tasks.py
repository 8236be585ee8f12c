"""What the workers do for this app."""

import logging

from celery import shared_task
from django.utils import timezone

from billing import gateway
from billing.commands import (
    actions,
    alerts,
    charges,
    drift,
    inbox,
    last_invoices,
    letters,
    sync,
)
from billing.commands.standings import fill_limit_standings
from billing.queries.actions import list_due_actions
from billing.queries.alerts import list_due, list_limited
from billing.queries.charges import list_due_periods, list_without_draft
from billing.queries.prepared import list_amiss, list_limited_after
from orgs.tasks import gathered, nudge

logger = logging.getLogger(__name__)
_AT_A_TIME = 1_000
_SWEPT_AT_ONCE = 5_000  # organizations
_LETTERS_AT_A_TIME = 20


@shared_task
def handle_event(event_id: int) -> None:
    """Do what an event in the inbox hints at, once, however often it is asked for."""
    inbox.handle(event_id)


@shared_task
def sweep_inbox() -> None:
    """Nudge the events that nobody was told of or whose worker died."""
    for event_id in inbox.take_forgotten(_AT_A_TIME):
        nudge(handle_event, event_id)


@shared_task
def pull_events() -> None:
    """Ask for the events that Stripe could not deliver."""
    if gateway.is_on():
        for event_id in inbox.pull_undelivered():
            nudge(handle_event, event_id)


@shared_task
def prune_inbox() -> None:
    inbox.prune()


@shared_task
def run_sync(run_id: int) -> None:
    """Go on with a run; a long one in parts, so that no worker is held by it."""
    if sync.advance(run_id):
        nudge(run_sync, run_id)


@shared_task
def sweep_syncs() -> None:
    """Nudge the runs that nobody was told of or whose worker died."""
    for run_id in sync.find_forgotten(_AT_A_TIME):
        nudge(run_sync, run_id)


@shared_task
def start_syncs() -> None:
    """Each night, one of every white label."""
    if gateway.is_on():
        for run_id in sync.start_all():
            nudge(run_sync, run_id)


@shared_task
def heal_drift(drift_id: int, by: str) -> None:
    """Heal one difference; `by` is a user's name."""
    drift.heal(drift_id, by=by)


@shared_task
def send_charges(period_id: int) -> None:
    """Put what a closed period costs on its invoice, each line once."""
    if gateway.is_on():
        charges.send_charges(period_id)


@shared_task
def sweep_charges() -> None:
    """Nudge the periods with charges to send, new ones and those to be tried again."""
    if gateway.is_on():
        for period_id in list_due_periods(_AT_A_TIME):
            nudge(send_charges, period_id)


@shared_task
def make_last_invoice(organization_id: int) -> None:
    """Give what waits for a draft one of its own; refused, the sweep comes back."""
    try:
        last_invoices.make_last_invoice(organization_id)
    except gateway.GatewayError as error:
        logger.warning(
            "last_invoice_later organization=%s code=%s", organization_id, error.code
        )


@shared_task
def sweep_last_invoices() -> None:
    """Nudge the organizations whose subscription ended with something to charge."""
    if gateway.is_on():
        for organization_id in list_without_draft(_AT_A_TIME):
            nudge(make_last_invoice, organization_id)


@shared_task
def do_action(action_id: int) -> None:
    """Do what a person asked of Stripe, once, however often it is told."""
    if gateway.is_on():
        actions.do(action_id)


@shared_task
def sweep_actions() -> None:
    """Nudge what nobody was told of, is due again or now, or whose worker died."""
    if gateway.is_on():
        for action_id in list_due_actions(_AT_A_TIME):
            nudge(do_action, action_id)


@shared_task
def send_letter(letter_id: int) -> None:
    """Send a letter to each address that has not taken it, however often it is told,
    and what else is due; nothing where enough workers are at it."""
    letters.deliver(letter_id)


@shared_task
def sweep_letters() -> None:
    """Nudge what nobody was told of, is due again, or whose worker died; a few, for
    whoever sends one goes on with what is due."""
    for letter_id in letters.list_due_letters(_LETTERS_AT_A_TIME):
        nudge(send_letter, letter_id)


@shared_task
def evaluate_limited() -> None:
    """Look at those that just used something, and that a limit may stop.

    The others wait for the fold: a storm of recordings touches everybody each second.
    """
    for organization_ids in gathered(evaluate_limited):
        tell(alerts.evaluate(list_limited(organization_ids)))


@shared_task
def evaluate_gathered() -> None:
    """Look at those whose usage was folded, or whose people changed."""
    for organization_ids in gathered(evaluate_gathered):
        tell(alerts.evaluate(organization_ids))


@shared_task
def evaluate_changed() -> None:
    """Look at those whose limits, balance or subscription changed: at complete days
    too, for another limit has another pace."""
    for organization_ids in gathered(evaluate_changed):
        tell(alerts.evaluate_whole(organization_ids))


@shared_task
def evaluate_due() -> None:
    """Look at those for whom time alone crosses something: trials, failed payments."""
    tell(alerts.evaluate(list_due(timezone.now())))


@shared_task
def sweep_alerts(after: int = 0) -> None:
    """Look at everybody, complete days too; in parts, so that no worker is held."""
    letter_ids, following = alerts.evaluate_after(after, limit=_SWEPT_AT_ONCE)
    tell(letter_ids)
    if following is not None:
        nudge(sweep_alerts, following)


@shared_task
def prepare_limits() -> None:
    """Bring the list's order by limits up to what was used or agreed lately."""
    for organization_ids in gathered(prepare_limits):
        fill_limit_standings(organization_ids)


@shared_task
def sweep_limits(after: int = 0) -> None:
    """Move the days on as days pass; in parts, so that no worker is held."""
    while not after and (amiss := list_amiss(_AT_A_TIME)):
        fill_limit_standings(amiss)
    limited = list_limited_after(after, limit=_SWEPT_AT_ONCE)
    for at in range(0, len(limited), _AT_A_TIME):
        fill_limit_standings(limited[at : at + _AT_A_TIME])
    if len(limited) == _SWEPT_AT_ONCE:
        nudge(sweep_limits, limited[-1])


def tell(letter_ids: list[int]) -> None:
    """The first ones; whoever sends them goes on with what is due."""
    for letter_id in letter_ids[:_LETTERS_AT_A_TIME]:
        nudge(send_letter, letter_id)
