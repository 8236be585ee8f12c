"""Writes of usage: recording, rates, partitions, periods, daily head counts."""

from metrics.commands.batch import Recorded
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
from metrics.commands.periods import (
    advance_periods,
    hold_periods,
    open_first_periods,
)
from metrics.commands.rates import IncomingRate, load_rates
from metrics.commands.rebuild import check_days, check_kept, rebuild_days
from metrics.commands.recompute import Act, Difference, finish_act
from metrics.commands.record import record_usage
from metrics.commands.reports import make_report, start_report
from metrics.commands.rerate import Rerating, Reratings, preview_rerate, rerate_periods
from metrics.commands.standings import fill_standings
from metrics.commands.voids import (
    FIRST,
    VOID,
    Key,
    Voided,
    credit_usage,
    void_act,
    void_usage,
)

__all__ = [
    "FIRST",
    "VOID",
    "Act",
    "Difference",
    "IncomingRate",
    "IncomingTarget",
    "Key",
    "Outdated",
    "Recorded",
    "Rerating",
    "Reratings",
    "Voided",
    "advance_periods",
    "can_make_partitions",
    "check_days",
    "check_kept",
    "credit_usage",
    "drop_partitions",
    "fill_people_days",
    "fill_standings",
    "finish_act",
    "fold_usage",
    "hold_periods",
    "load_rates",
    "make_partitions",
    "make_report",
    "mend_fleet_totals",
    "open_first_periods",
    "preview_rerate",
    "rebuild_days",
    "record_usage",
    "rerate_periods",
    "reseal_integrations",
    "run_job",
    "set_integration",
    "set_integrations",
    "start_report",
    "void_act",
    "void_usage",
]
