"""What the workers do for the demo."""

from celery import shared_task

from config.dev.demo import stripe


@shared_task
def fill_stripe() -> None:
    """Fill the stand-in for Stripe to match the demo; once for a database."""
    stripe.fill()
