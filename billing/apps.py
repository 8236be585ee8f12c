"""The billing app: connects what its subjects tell each other by signals."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Connects the signal receivers of each subject and registers its checks."""

    name = "billing"

    def ready(self) -> None:
        from billing.alerts import receivers as alerts
        from billing.forecast import receivers as forecast
        from billing.ledger import receivers as ledger
        from billing.stripe import checks

        ledger.connect()  # first: an organization has its period before its forecast
        forecast.connect()
        alerts.connect()
        checks.register()
