"""Configuration of the Django app `billing`."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """The billing app, which connects the signal receivers of its subjects."""

    name = "billing"

    def ready(self) -> None:
        from billing import history_texts, journal_texts  # noqa: F401  they register
        from billing.access import receivers as access
        from billing.alerts import receivers as alerts
        from billing.forecast import receivers as forecast
        from billing.integrations import receivers as integrations
        from billing.ledger import receivers as ledger
        from billing.needs_action import receivers as needs_action
        from billing.stripe import checks
        from billing.stripe import receivers as stripe
        from billing.webhooks import receivers as webhooks

        # Receivers run in this order: a new organization needs its first period before
        # anything is forecast from it.
        ledger.connect()
        forecast.connect()
        stripe.connect()
        access.connect()
        alerts.connect()
        needs_action.connect()
        integrations.connect()
        webhooks.connect()
        checks.register()
