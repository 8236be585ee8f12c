from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MetricsConfig(AppConfig):
    name = "metrics"

    def ready(self) -> None:
        from metrics import commands
        from orgs.signals import organizations_created, people_changed

        def open_periods(*, organization_ids: list[int], **_: Any) -> None:
            commands.open_first_periods(organization_ids)

        def fill_people(*, organization_ids: list[int], **_: Any) -> None:
            commands.fill_people_days(organization_ids)

        def prepare_lists(*, organization_ids: list[int], **_: Any) -> None:
            commands.fill_standings(organization_ids)

        def make_partitions(**_: Any) -> None:
            if commands.can_make_partitions():  # not after migrating back to nothing
                commands.make_partitions()

        organizations_created.connect(open_periods, weak=False)
        organizations_created.connect(prepare_lists, weak=False)
        people_changed.connect(fill_people, weak=False)
        post_migrate.connect(make_partitions, sender=self, weak=False)
