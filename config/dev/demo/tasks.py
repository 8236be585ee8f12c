"""What the workers do for the demo."""

from celery import shared_task

from config.dev.demo import stripe


@shared_task
def fill_stripe() -> None:
    """Fill the fake Stripe to match the demo, once per database."""
    stripe.fill()
