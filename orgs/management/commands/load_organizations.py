"""`load_organizations`: load organizations with their people from an NDJSON file."""

from collections.abc import Sequence

from orgs.commands.loading import Outcome, load_organizations
from orgs.errors import InputRejected
from orgs.management.loading import LoadCommand, Loaded
from orgs.management.records import Layout
from orgs.schemas.organization_lines import parse_organization


class Command(LoadCommand):
    help = "Load organizations with their members and projects from NDJSON."
    batch_size = 500
    layout = Layout()
    outcomes = ("accepted", "updated", "unchanged")

    def load(self, batch: Sequence[tuple[int, bytes]]) -> Loaded:
        loaded = Loaded()
        numbers, incoming = [], []
        for number, line in batch:
            try:
                incoming.append(parse_organization(line))
                numbers.append(number)
            except InputRejected as error:
                loaded.reject(number, error)
        outcomes = load_organizations(self.white_label, incoming)
        for number, row, outcome in zip(numbers, incoming, outcomes, strict=True):
            if outcome is Outcome.DELETED:
                loaded.reject(number, _deleted(row.external_id))
            else:
                loaded.counts[outcome.value] += 1
        return loaded


def _deleted(external_id: str) -> InputRejected:
    return InputRejected(
        "organization_deleted",
        f"The organization {external_id!r} is deleted. Restore it in the API"
        " (`POST /api/v1/organizations/{id}/restore`), then load this line again.",
    )
