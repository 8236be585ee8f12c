"""`load_rates`: load rates from a CSV file into a price book."""

from collections.abc import Sequence
from typing import Any

from metrics.commands.rate_rows import (
    COLUMNS,
    REQUIRED_COLUMNS,
    organization_ids,
    read_rate,
)
from metrics.commands.rates import load_rates
from orgs.errors import DomainError, InputRejected
from orgs.management.loading import LoadCommand, Loaded
from orgs.management.records import Layout


class Command(LoadCommand):
    help = "Load rates from a CSV file into the price book of a white label."
    batch_size = 5_000
    layout = Layout(
        required=set(REQUIRED_COLUMNS),
        optional=set(COLUMNS) - REQUIRED_COLUMNS,
        takes_lines=False,
    )

    def load(self, batch: Sequence[tuple[int, Any]]) -> Loaded:
        loaded = Loaded()
        ids = organization_ids(self.white_label, (row for _, row in batch))
        rates = []
        for number, row in batch:
            try:
                rates.append(read_rate(row, self.white_label, ids))
            except (InputRejected, DomainError) as error:
                loaded.reject(number, error)
        are_changes = load_rates(self.white_label, rates)
        loaded.counts["accepted"] = sum(are_changes)
        loaded.counts["duplicates"] = len(are_changes) - sum(are_changes)
        return loaded
