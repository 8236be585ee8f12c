"""Writes of usage: recording, rates, partitions, periods, daily head counts."""

from metrics.commands.fold import fold_usage, mend_fleet_totals
from metrics.commands.integrations import (
    IncomingTarget,
    reseal_integrations,
    set_integration,
    set_integrations,
)
from metrics.commands.jobs import run_job
from metrics.commands.partitions import (
    Outdated,
    can_make_partitions,
    drop_partitions,
    make_partitions,
)
from metrics.commands.people import fill_people_days
from metrics.commands.periods import advance_periods, open_first_periods
from metrics.commands.rates import IncomingRate, load_rates
from metrics.commands.record import Recorded, record_usage
from metrics.commands.reports import make_report, start_report
from metrics.commands.standings import fill_standings

__all__ = [
    "IncomingRate",
    "IncomingTarget",
    "Outdated",
    "Recorded",
    "advance_periods",
    "can_make_partitions",
    "drop_partitions",
    "fill_people_days",
    "fill_standings",
    "fold_usage",
    "load_rates",
    "make_partitions",
    "make_report",
    "mend_fleet_totals",
    "open_first_periods",
    "record_usage",
    "reseal_integrations",
    "run_job",
    "set_integration",
    "set_integrations",
    "start_report",
]
