"""Registers the app's signal receivers, jobs, and checks."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models.signals import post_migrate
from django.utils import timezone


class MetricsConfig(AppConfig):
    """The app that records usage, prices it, and shows it in charts."""

    name = "metrics"

    def ready(self) -> None:
        """Connect receivers; imports wait until all models are loaded."""
        from metrics.commands import partitions
        from metrics.commands.partitions import can_make_partitions
        from metrics.commands.people import refresh_daily_counts
        from metrics.commands.periods import open_first_periods
        from metrics.commands.rankings import fill_rankings
        from metrics.commands.reports import make_report
        from metrics.web import history_texts  # noqa: F401  it registers itself
        from orgs.commands.jobs import register_job
        from orgs.models import Job
        from orgs.signals import organizations_created, people_changed

        def open_periods(*, organization_ids: list[int], **_: Any) -> None:
            open_first_periods(organization_ids)

        def refresh_counts(*, organization_ids: list[int], **_: Any) -> None:
            refresh_daily_counts(organization_ids)

        def compute_rankings(*, organization_ids: list[int], **_: Any) -> None:
            fill_rankings(organization_ids)

        def make_partitions(**_: Any) -> None:
            if can_make_partitions():  # not after undoing all migrations
                partitions.make_partitions()

        register_job(Job.Kind.USAGE_REPORT, make_report)
        organizations_created.connect(open_periods, weak=False)
        organizations_created.connect(compute_rankings, weak=False)
        people_changed.connect(refresh_counts, weak=False)
        post_migrate.connect(make_partitions, sender=self, weak=False)
        checks.register(_check_zones, checks.Tags.database)


def _check_zones(
    *, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """Warn about time zones whose data differs between PostgreSQL and Python.

    Runs with `manage.py check --database default` and before every migration.
    """
    from metrics.queries.time_zones import find_conflicting_zones

    is_requested = databases is not None and DEFAULT_DB_ALIAS in databases
    if (
        not is_requested
        or "orgs_whitelabel" not in connection.introspection.table_names()
    ):
        return []
    return [
        checks.Warning(
            f"PostgreSQL and Python use different time zone data for {zone}.",
            hint="Update the older tzdata; otherwise days start at different hours.",
            id="metrics.W001",
        )
        for zone in find_conflicting_zones(timezone.now())
    ]
