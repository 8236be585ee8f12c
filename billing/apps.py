from typing import Any

from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing import commands
        from orgs.signals import organizations_created

        def open_periods(*, organization_ids: list[int], **_: Any) -> None:
            commands.open_first_periods(organization_ids)

        organizations_created.connect(open_periods, weak=False)
