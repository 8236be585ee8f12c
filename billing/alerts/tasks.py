"""Celery tasks that evaluate alerts and send their emails."""

from celery import shared_task
from django.utils import timezone

from billing.alerts.commands import evaluation
from billing.alerts.commands.delivery import delivering
from billing.alerts.commands.delivery.leases import list_due_letters
from billing.alerts.queries.candidates import list_due
from billing.ledger.queries.limits import list_limited
from orgs.queue.debounce import gathered
from orgs.queue.enqueue import nudge

_SWEEP_BATCH = 5_000  # organizations per sweep task
_LETTERS_AT_A_TIME = 20


@shared_task
def send_letter(letter_id: int) -> None:
    """Send an alert email to each address that has not accepted it yet.

    Goes on with other emails that are due; does nothing where enough workers send.
    """
    delivering.deliver(letter_id)


@shared_task
def sweep_letters() -> None:
    """Enqueue a few due emails: a worker that sends one goes on with the others."""
    for letter_id in list_due_letters(_LETTERS_AT_A_TIME):
        nudge(send_letter, letter_id)


@shared_task
def evaluate_limited() -> None:
    """Evaluate organizations with a spending limit that just used something.

    The others wait for the roll-up: a burst of recordings touches all of them each
    second.
    """
    for organization_ids in gathered(evaluate_limited):
        tell(evaluation.evaluate(list_limited(organization_ids)))


@shared_task
def evaluate_gathered() -> None:
    """Evaluate organizations whose usage was rolled up or whose people changed."""
    for organization_ids in gathered(evaluate_gathered):
        tell(evaluation.evaluate(organization_ids))


@shared_task
def evaluate_changed() -> None:
    """Evaluate organizations whose limits, balance or subscription changed.

    Complete days are evaluated too: another limit allows another run rate.
    """
    for organization_ids in gathered(evaluate_changed):
        tell(evaluation.evaluate_whole(organization_ids))


@shared_task
def evaluate_due() -> None:
    """Evaluate what time alone can trigger: ending trials and failed payments."""
    tell(evaluation.evaluate(list_due(timezone.now())))


@shared_task
def sweep_alerts(after: int = 0) -> None:
    """Evaluate every organization, in parts that leave the worker free."""
    letter_ids, following = evaluation.evaluate_after(after, limit=_SWEEP_BATCH)
    tell(letter_ids)
    if following is not None:
        nudge(sweep_alerts, following)


def tell(letter_ids: list[int]) -> None:
    """Enqueue the first emails; a worker that sends one goes on with the others."""
    for letter_id in letter_ids[:_LETTERS_AT_A_TIME]:
        nudge(send_letter, letter_id)
